// SPDX-License-Identifier: Apache-2.0
#include "xfrm/refusal.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace espalier::xfrm {
namespace {

// What kernel and drivers answer to an SA, and what it means for placing it.
struct Case {
  const char* who;
  int error;
  bool offloaded;
  ErrorCode code;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.who; }
};

class RefusalOf : public testing::TestWithParam<Case> {};

TEST_P(RefusalOf, IsClassified) {
  EXPECT_EQ(refusal_code(GetParam().error, GetParam().offloaded), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    Kernel, RefusalOf,
    testing::Values(Case{"a driver that does not do the algorithm", EINVAL, true,
                         ErrorCode::unsupported},
                    Case{"esp4_offload is missing", EINVAL, true, ErrorCode::unsupported},
                    Case{"no IPsec in this card", EOPNOTSUPP, true, ErrorCode::unsupported},
                    Case{"a full table", ENOSPC, true, ErrorCode::capacity},
                    Case{"mlx5 while the eswitch is busy", EBUSY, true, ErrorCode::transient},
                    Case{"a bond without an active member", ENODEV, true, ErrorCode::lost},
                    Case{"an interface that is down", ENETDOWN, true, ErrorCode::lost},
                    Case{"no memory", ENOMEM, false, ErrorCode::transient},
                    Case{"an unknown algorithm", ENOSYS, false, ErrorCode::unsupported},
                    Case{"no driver of the algorithm", ENOENT, false, ErrorCode::unsupported},
                    Case{"a kernel without ESP", EPROTONOSUPPORT, false, ErrorCode::unsupported},
                    Case{"an SPI that is taken", EEXIST, false, ErrorCode::conflict},
                    Case{"nonsense", EINVAL, false, ErrorCode::invalid},
                    Case{"a CPU that there is not", ERANGE, false, ErrorCode::invalid},
                    Case{"no CAP_NET_ADMIN", EPERM, false, ErrorCode::permission}));

TEST(WordsOf, AnAnswerAreTheKernelsAndTheErrors) {
  EXPECT_EQ(words_of({ENOSPC, "Table full", {}}), "Table full (No space left on device)");
  EXPECT_EQ(words_of({ENOSPC, "", {}}), "No space left on device");
}

}  // namespace
}  // namespace espalier::xfrm
