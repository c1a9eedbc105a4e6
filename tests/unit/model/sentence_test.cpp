// SPDX-License-Identifier: Apache-2.0
#include "model/sentence.hpp"

#include <gtest/gtest.h>

namespace espalier {
namespace {

TEST(Sentence, BeginsWithACapitalAndEndsWithAStop) {
  EXPECT_EQ(as_sentence("there is no key file 'a': make it with 'espalier keygen'"),
            "There is no key file 'a': make it with 'espalier keygen'.");
  EXPECT_EQ(as_sentence("no SA 'a' (yet)"), "No SA 'a' (yet).");
}

TEST(Sentence, StaysWhereItIsOne) {
  for (const char* text : {"There is none.", "Did you mean 'a'?", "What was considered:", ""})
    EXPECT_EQ(as_sentence(text), text);
}

TEST(Sentence, LeavesNamesAsTheyAre) {
  EXPECT_EQ(as_sentence("aes256gcm16 cannot run on static keys"),
            "aes256gcm16 cannot run on static keys.");
  EXPECT_EQ(as_sentence("'esp0' is taken"), "'esp0' is taken.");
  EXPECT_EQ(as_sentence("mycard: printed in its probe"), "mycard: printed in its probe.");
}

TEST(Sentence, LeavesTheEndOfAList) {
  EXPECT_EQ(as_sentence("no backend takes it:\n  1  openssl"),
            "No backend takes it:\n  1  openssl");
}

TEST(Counted, HasAPluralForAllButOne) {
  EXPECT_EQ(counted(0, "tunnel"), "0 tunnels");
  EXPECT_EQ(counted(1, "tunnel"), "1 tunnel");
  EXPECT_EQ(counted(2, "SA"), "2 SAs");
}

}  // namespace
}  // namespace espalier
