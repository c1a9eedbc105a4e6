// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <load/cpu.hpp>

#include <vector>

namespace espalier::load {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(CpuFeatures, AreThoseThatEveryCpuHas) {
  EXPECT_THAT(parse_cpuinfo("processor : 0\nflags\t\t: fpu aes vaes\n\n"
                            "processor : 1\nflags\t\t: fpu aes\nbugs : none\n"),
              UnorderedElementsAre("fpu", "aes"));
}

TEST(CpuFeatures, AreReadOnArmToo) {
  EXPECT_THAT(parse_cpuinfo("Features\t: fp asimd aes\n"),
              UnorderedElementsAre("fp", "asimd", "aes"));
}

TEST(CpuFeatures, AreNoneWhereNothingIsSaid) {
  EXPECT_THAT(parse_cpuinfo(""), IsEmpty());
  EXPECT_THAT(parse_cpuinfo("flags"), IsEmpty());
  EXPECT_THAT(parse_cpuinfo("processor : 0\n"), IsEmpty());
}

TEST(CpuFeatures, OfThisMachineAreFound) { EXPECT_FALSE(this_cpu().empty()); }

TEST(CpuFeatures, ThatAreMissingAreNamed) {
  const std::vector<std::string> needed = {"aes", "vaes", "avx512f"};
  EXPECT_TRUE(check_cpu(needed, {"avx512f", "vaes", "aes", "fpu"}));
  EXPECT_TRUE(check_cpu({}, {}));
  const auto checked = check_cpu(needed, {"aes"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::unsupported);
  EXPECT_THAT(checked.error().message, HasSubstr("vaes, avx512f"));
}

}  // namespace
}  // namespace espalier::load
