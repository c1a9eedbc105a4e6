// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <conform/vectors.hpp>

#include <set>

namespace espalier::conform {
namespace {

TEST(KnownPackets, AreThereForEveryCipherAndIntegrity) {
  std::set<Cipher> ciphers;
  std::set<Integrity> integrities;
  for (const KnownPacket& known : known_packets()) {
    ciphers.insert(known.sa.info->transform.cipher);
    integrities.insert(known.sa.info->transform.integrity);
    EXPECT_GE(known.clear.size(), known.sa.payload_offset()) << known.source;
    EXPECT_EQ(known.sealed.size(), known.clear.size() + (known.has_icv ? known.sa.icv_bytes() : 0))
        << known.source;
  }
  EXPECT_EQ(ciphers.size(), 7U);
  EXPECT_EQ(integrities.size(), 6U);
}

TEST(Vectors, AreReadAsBlocksOfNamedValues) {
  const auto vectors = parse_vectors("# comment\nKey = 0a0B\nName = first\n\n\nkey=ff\n");
  ASSERT_EQ(vectors.size(), 2U);
  EXPECT_EQ(vectors[0].bytes("KEY"), (Bytes{0x0a, 0x0b}));
  EXPECT_EQ(vectors[0].text("NAME"), "first");
  EXPECT_EQ(vectors[0].line, 2);
  EXPECT_EQ(vectors[1].line, 6);
  EXPECT_FALSE(vectors[1].has("NAME"));
  EXPECT_THROW(from_hex("0"), KitError);
  EXPECT_THROW(from_hex("zz"), KitError);
}

}  // namespace
}  // namespace espalier::conform
