// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace espalier {
namespace {

using testing::HasSubstr;
using testing::Not;

class LiftKeys : public testing::Test {
 protected:
  Result<SaKeys> lift(std::string text) {
    text_ = std::move(text);
    return lift_keys(text_, *secrets_);
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  std::string text_;  // as it is afterwards
};

std::vector<std::uint8_t> bytes(const SecretBytes& secret) {
  return {secret.view().begin(), secret.view().end()};
}

TEST_F(LiftKeys, TakesKeysOutAndLeavesStarsOfTheSameLength) {
  const auto keys = lift(
      R"({"verb":"sa.add","keys": { "cipher" : "00ff10", "salt":"0a0b0c0d", "integrity":""}})");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(bytes(keys->cipher), (std::vector<std::uint8_t>{0x00, 0xff, 0x10}));
  EXPECT_EQ(bytes(keys->salt), (std::vector<std::uint8_t>{0x0a, 0x0b, 0x0c, 0x0d}));
  EXPECT_TRUE(keys->integrity.empty());
  EXPECT_EQ(
      text_,
      R"({"verb":"sa.add","keys": { "cipher" : "******", "salt":"********", "integrity":""}})");
}

TEST_F(LiftKeys, LeavesARequestWithoutKeysAlone) {
  const std::string request = R"({"verb":"sa.delete","name":"cipher","x":["salt"]})";
  const auto keys = lift(request);
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->cipher.empty());
  EXPECT_EQ(text_, request);
}

TEST_F(LiftKeys, IsNotFooledByQuotesWithinStrings) {
  const auto keys = lift(R"({"name":"a\"cipher\":\"00","keys":{"cipher":"01"}})");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(bytes(keys->cipher), std::vector<std::uint8_t>{1});
}

TEST_F(LiftKeys, RefusesWhatIsNotHexWithoutRepeatingIt) {
  const auto keys = lift(R"({"keys":{"cipher":"hunter2secret","salt":"01020304"}})");
  ASSERT_FALSE(keys);
  EXPECT_THAT(keys.error().message, HasSubstr("'cipher'"));
  EXPECT_THAT(keys.error().message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text_, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text_, Not(HasSubstr("01020304"))) << "the keys behind a bad one are taken out, too";
}

TEST_F(LiftKeys, RefusesAKeyThatIsGivenTwice) {
  EXPECT_FALSE(lift(R"({"keys":{"cipher":"01","cipher":"02"}})"));
  EXPECT_THAT(text_, Not(HasSubstr("02")));
}

TEST_F(LiftKeys, RefusesNamesWithEscapesBeforeAnyParserReadsThem) {
  for (const char* text : {R"({"keys":{"c\u0069pher":"0badcafe"}})", R"({"k\u0065ys":{"x":"00"}})",
                           R"({"keys":{"sa\lt":"0badcafe"}})", R"({"sa":{"n\u0061me":"a"}})"}) {
    const auto keys = lift(text);
    ASSERT_FALSE(keys) << text;
    EXPECT_THAT(keys.error().message, HasSubstr("escape"));
    EXPECT_THAT(keys.error().message, Not(HasSubstr("0badcafe")));
  }
  EXPECT_TRUE(lift(R"({"name":"caf\u00e9"})")) << "values may have escapes";
}

TEST_F(LiftKeys, RefusesWhatIsUnderKeysButIsNoKey) {
  for (const char* text :
       {R"({"keys":{"Cipher":"0badcafe"}})", R"({"keys":{"cipher":["0badcafe"]}})",
        R"({"keys":"0badcafe"})", R"({"keys":["0badcafe"]})", R"({"keys":{"":"0badcafe"}})",
        R"({ "keys" : { "salt" : "01" , "cypher" : "0badcafe" } })"}) {
    const auto keys = lift(text);
    ASSERT_FALSE(keys) << text;
    EXPECT_THAT(keys.error().message, HasSubstr("\"cipher\", \"salt\" and \"integrity\""));
  }
  EXPECT_TRUE(lift(R"({"keys":{"salt":"01"},"sa":{"name":"x","class":"cipher"}})"));
}

TEST_F(LiftKeys, StopsAtTextThatEndsWithinAString) {
  for (const char* text : {"\"cipher", "{\"cipher\":\"00", "{\"cipher\":", "\"\\", "\"", "", "{"})
    EXPECT_TRUE(lift(text)) << text << " is left for the parser to refuse";
}

class ValidateKeys : public testing::Test {
 protected:
  SaKeys keys(std::size_t cipher, std::size_t salt, std::size_t integrity) {
    const auto make = [&](std::size_t n) { return SecretBytes::random(*secrets_, n).value(); };
    return {make(cipher), make(salt), make(integrity)};
  }
  std::string complaint(const SaKeys& given) const {
    const auto valid = validate_keys(sa_, given);
    return valid ? "" : valid.error().message;
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  SaSpec sa_ = [] {
    SaSpec sa;
    sa.name = "office/out";
    return sa;
  }();
};

TEST_F(ValidateKeys, TakesTheLengthsOfTheTransform) { EXPECT_EQ(complaint(keys(32, 4, 0)), ""); }

TEST_F(ValidateKeys, NamesTheKeyTheSaAndBothLengths) {
  EXPECT_EQ(complaint(keys(16, 4, 0)),
            "The cipher key of SA 'office/out' is 16 bytes long; aes256gcm16 takes 32. Keys are "
            "given as hex, two digits a byte.");
  EXPECT_THAT(complaint(keys(32, 8, 0)), HasSubstr("The salt of SA 'office/out' is 8 bytes long"));
  EXPECT_EQ(complaint(keys(32, 4, 20)),
            "SA 'office/out' was given an integrity key of 20 bytes; aes256gcm16 has none.");
}

}  // namespace
}  // namespace espalier
