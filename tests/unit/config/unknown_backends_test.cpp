// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "mistake.hpp"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class UnknownBackends : public ConfigTest {
 protected:
  std::vector<std::string> found(const std::string& tables) {
    const ConfigReading reading = read(base() + tables);
    EXPECT_TRUE(reading.config) << testing::PrintToString(sentences(reading));
    if (!reading.config) return {};
    constexpr std::array<std::string_view, 2> known = {"aesni", "openssl"};
    std::vector<std::string> all;
    for (const Diagnostic& finding : unknown_backends(reading.named_backends, known))
      all.push_back(without_folder(to_string(finding)));
    return all;
  }
};

TEST_F(UnknownBackends, AreNoneWhereAllAreThere) {
  EXPECT_THAT(found(""), IsEmpty());
  EXPECT_THAT(found("[policy]\nbackends = [\"aesni\", \"openssl\"]\n"), IsEmpty());
}

TEST_F(UnknownBackends, AreFoundWhereverTheyAreNamed) {
  EXPECT_THAT(found(R"([backend.padlok]
enabled = false
[policy]
backends = ["quickassist", "aesni"]
[[rule]]
name = "bulk"
match = { direction = "inbound" }
backends = ["aesnii"]
)"),
              ElementsAre("gateway.toml:14:10: warning: no plugin here is named 'padlok': it is "
                          "passed over",
                          "gateway.toml:17:13: warning: no plugin here is named 'quickassist': it "
                          "is passed over",
                          "gateway.toml:21:13: error: no plugin here is named 'aesnii'; did you "
                          "mean 'aesni'?"));
}

TEST_F(UnknownBackends, AreKnownInSpiteOfErrors) {
  const ConfigReading reading = read(base() + "[policy]\nbackends = [\"opensl\"]\nx = 1\n");
  EXPECT_FALSE(reading.config);
  ASSERT_EQ(reading.named_backends.size(), 1u);
  EXPECT_EQ(reading.named_backends[0].name, "opensl");
}

TEST_F(UnknownBackends, AreNotSaidToBeMissingHereWhereAnotherMachineIsAskedFor) {
  const ConfigReading reading = read(base() + "[policy]\nbackends = [\"quickassist\"]\n");
  const auto all = unknown_backends(reading.named_backends, {}, "of the inventory");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].message, "no plugin of the inventory is named 'quickassist': it is passed over");
}

TEST_F(UnknownBackends, AreToldOnce) {
  EXPECT_THAT(found(R"([policy]
backends = ["opensl"]
[[rule]]
name = "bulk"
match = { direction = "inbound" }
backends = ["opensl"]
)"),
              ElementsAre("gateway.toml:15:13: error: no plugin here is named 'opensl'; did you "
                          "mean 'openssl'?"));
}

}  // namespace
}  // namespace espalier
