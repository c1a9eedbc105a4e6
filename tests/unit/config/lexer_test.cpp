// SPDX-License-Identifier: Apache-2.0
#include <config/document.hpp>
#include <config/lexer.hpp>

#include <random>

#include "mistake.hpp"

namespace espalier::config {
namespace {

using testing::ElementsAre;

TEST(StatementStarts, AreOutsideOfBrackets) {
  EXPECT_THAT(statement_starts("a = [\n1,\n2]\nb = 1"), ElementsAre(true, false, false, true));
}

TEST(StatementStarts, AreOutsideOfLongTexts) {
  EXPECT_THAT(statement_starts("a = \"\"\"\nx = [\n\"\"\"\nb = 1"),
              ElementsAre(true, false, false, true));
}

TEST(StatementStarts, BracketsInTextsAndCommentsDoNotCount) {
  EXPECT_THAT(statement_starts("a = \"[\" # {\nb = '['\nc = 1"), ElementsAre(true, true, true));
}

TEST(StatementStarts, ATextWithoutEndEndsWithItsLine) {
  EXPECT_THAT(statement_starts("a = \"[\nb = 1"), ElementsAre(true, true));
}

TEST(StatementStarts, AnEscapedQuoteDoesNotEndAText) {
  EXPECT_THAT(statement_starts("a = \"\\\"[\"\nb = 1"), ElementsAre(true, true));
}

TEST(StatementStarts, AHeaderWithoutItsLastBracketHidesNothing) {
  EXPECT_THAT(statement_starts("[[a]\nb = 1\n[c\nd = [\n1]"),
              ElementsAre(true, true, true, true, false));
}

class Secrets : public ConfigTest {
 protected:
  Document take(std::string_view text) {
    source_ = SourceText(text.size() + 1);
    source_.append(text);
    constexpr std::string_view kKeys[] = {"cipher_key"};
    Findings findings;
    findings.add_file("x.toml");
    return read_document(source_, 0, kKeys, *secrets_, findings);
  }

  static std::string first(const Document& document) {
    if (document.secrets.empty()) return "none";
    const auto bytes = document.secrets.begin()->second.view();
    return {bytes.begin(), bytes.end()};
  }

  SourceText source_;
};

TEST_F(Secrets, AreTakenOutOfTheTextBeforeTheParserSeesIt) {
  const Document document = take("cipher_key = \"abcd\" # note\nother = \"abcd\"");
  EXPECT_EQ(first(document), "abcd");
  EXPECT_EQ(source_.view(), "cipher_key = \"xxxx\" # note\nother = \"abcd\"");
}

TEST_F(Secrets, AreFoundInTablesDottedKeysAndQuotedKeys) {
  EXPECT_EQ(first(take("a = { b = 1, cipher_key = 'abcd' }")), "abcd");
  EXPECT_EQ(first(take("a.b.cipher_key = \"abcd\"")), "abcd");
  EXPECT_EQ(first(take("\"cipher_key\" = \"abcd\"")), "abcd");
  EXPECT_EQ(first(take("cipher_key = \"\"\"abcd\"\"\"")), "abcd");
}

TEST_F(Secrets, WithoutQuotesAreTakenOutToo) {
  EXPECT_EQ(first(take("cipher_key = abcd\n")), "abcd");
  EXPECT_EQ(source_.view().find("abcd"), std::string_view::npos);
}

TEST_F(Secrets, ArePlacedWhereTheParserSaysTheyAre) {
  // Characters of several bytes before them count as one, as in toml++.
  const Document document = take("\n\t\"ä€𝄞\" = { cipher_key = \"abcd\" }");
  const Table& table = *document.root.at(0).node.as<Table>();
  ASSERT_EQ(document.secrets.size(), 1U);
  EXPECT_EQ(document.secrets.begin()->first, table.at(0).node.at);
}

TEST_F(Secrets, NothingElseIsTaken) {
  EXPECT_TRUE(take("cipher = \"abcd\"\nxcipher_key = \"e\"\na = \"cipher_key = \\\"x\\\"\"")
                  .secrets.empty());
}

class Deep : public ConfigTest {};

TEST_F(Deep, KeysOfThousandsOfPartsAreRefused) {
  std::string parts;
  for (int i = 0; i < 100000; ++i) parts += ".a";
  EXPECT_THAT(sentences(read("[a" + parts + "]\nb = 1\n[policy]\nc" + parts + " = 1\nd = 2")),
              ElementsAre("gateway.toml:1:2: error: a key has at most 16 parts",
                          "gateway.toml:4:1: error: a key has at most 16 parts",
                          "gateway.toml:5:1: error: unknown key 'd' in [policy]; known here: "
                          "backends, fallback"));
}

TEST_F(Deep, ListsOfThousandsOfLevelsAreRefused) {
  const ConfigReading reading = read("a = " + std::string(100000, '['));
  ASSERT_EQ(reading.findings.size(), 1U);
  EXPECT_THAT(reading.findings[0].message, testing::HasSubstr("maximum nested value depth"));
}

// Whatever a file holds, reading it ends, with an answer.
class Damaged : public ConfigTest {};

TEST_F(Damaged, FilesGiveFindingsAndNoCrash) {
  std::mt19937 random(20260701);
  const std::string pieces[] = {"[",
                                "]",
                                "{",
                                "}",
                                "\"",
                                "'",
                                "\"\"\"",
                                "=",
                                ".",
                                ",",
                                "\n",
                                "#",
                                "\\",
                                std::string(1, '\0'),
                                "\xff",
                                "\xe2\x82",
                                "[[",
                                "]]",
                                "cipher_key",
                                "1e999",
                                "0x",
                                "-",
                                "1979-05-27",
                                "[[tunnel]]\n",
                                "[site.left]\n"};
  const std::string good = static_base();
  for (int round = 0; round < 1000; ++round) {
    std::string text = good;
    for (unsigned edits = random() % 4 + 1; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0)
        text.erase(at, random() % 8);
      else
        text.insert(at, pieces[random() % std::size(pieces)]);
    }
    const ConfigReading reading = read(text);
    bool errors = false;
    for (const Diagnostic& finding : reading.findings)
      errors = errors || finding.severity == Severity::error;
    EXPECT_EQ(reading.config.has_value(), !errors) << text;
  }
}

}  // namespace
}  // namespace espalier::config
