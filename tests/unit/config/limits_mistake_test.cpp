// SPDX-License-Identifier: Apache-2.0
//
// Limits that have no room for the SAs, whatever the machine.
#include "mistake.hpp"

namespace espalier {
namespace {

std::string with_policy(const std::string& policy) { return base() + policy; }

const Mistake kLimits[] = {
    {"ThePolicysBackendsAreTooSmall",
     with_policy(R"([policy]
backends = ["aesni", "openssl"]
fallback = "fail"
[backend.aesni]
max_sas = 1
[backend.openssl]
enabled = false
)"),
     {R"~(14:1: error: the policy leaves its SAs aesni, openssl alone (fallback = "fail"), with room for 1 by 'max_sas' and 'enabled', but site 'left' has 2 for them: expected more room, another backend in the list, or fallback = "next")~"}},
    {"SoftwareIsAsLimitedAsItsBackend",
     with_policy(R"([policy]
backends = ["aesni"]
fallback = "software"
[backend.aesni]
enabled = false
[backend.openssl]
max_sas = 1
)"),
     {R"~(14:1: error: the policy leaves its SAs aesni, openssl alone (fallback = "software"), with room for 1 by 'max_sas' and 'enabled', but site 'left' has 2 for them: expected more room, another backend in the list, or fallback = "next")~"}},
    {"ARulesBackendIsSharedWithThePolicy",
     with_policy(R"([policy]
backends = ["aesni"]
fallback = "fail"
[[rule]]
name = "out"
match = { direction = "outbound" }
backends = ["aesni"]
[backend.aesni]
max_sas = 1
)"),
     {R"~(14:1: error: the policy leaves its SAs aesni alone (fallback = "fail"), with room for 1 by 'max_sas' and 'enabled', but site 'left' has 2 for them: expected more room, another backend in the list, or fallback = "next")~",
      R"~(17:1: error: rule 'out' leaves its SAs aesni alone (fallback = "fail"), with room for 1 by 'max_sas' and 'enabled', but site 'left' has 2 for them: expected more room, another backend in the list, or fallback = "next")~"}},
    {"OfASiteThatIsNotSaid",
     changed(with_policy(R"([policy]
backends = ["aesni"]
fallback = "fail"
[backend.aesni]
max_sas = 1
)"),
             {{"site = \"left\"\n", ""}}),
     {R"~(13:1: warning: the policy leaves its SAs aesni alone (fallback = "fail"), with room for 1 by 'max_sas' and 'enabled', but site 'left' has 2 for them: expected more room, another backend in the list, or fallback = "next")~",
      R"~(13:1: warning: the policy leaves its SAs aesni alone (fallback = "fail"), with room for 1 by 'max_sas' and 'enabled', but site 'right' has 2 for them: expected more room, another backend in the list, or fallback = "next")~"}},
};
INSTANTIATE_TEST_SUITE_P(Limits, MistakeTest, testing::ValuesIn(kLimits), mistake_name);

// What a machine may make good is no mistake of the file.
TEST_F(ConfigTest, LimitsThatAMachineMayMakeGoodAreNoMistake) {
  for (const char* policy : {
           "[policy]\nbackends = [\"aesni\"]\n[backend.aesni]\nmax_sas = 1\n",
           "[policy]\nbackends = [\"aesni\", \"quickassist\"]\nfallback = \"fail\"\n"
           "[backend.aesni]\nmax_sas = 1\n",
           "[policy]\nbackends = [\"aesni\"]\nfallback = \"software\"\n"
           "[backend.aesni]\nmax_sas = 1\n",
           "[policy]\nbackends = [\"aesni\"]\nfallback = \"fail\"\n[backend.aesni]\nmax_sas = 2\n",
       })
    EXPECT_TRUE(read(with_policy(policy)).config) << policy;
}

}  // namespace
}  // namespace espalier
