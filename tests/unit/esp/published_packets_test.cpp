// SPDX-License-Identifier: Apache-2.0
//
// Whole ESP packets as RFCs print them, from the wire through the engine, on both backends. What an
// RFC leaves open is filled in: RFC 3602 gives no ICV, so that OpenSSL's one-shot HMAC makes it.
#include "esp/bytes.hpp"
#include "unit/esp/every_transform.hpp"
#include "unit/plugins/vectors.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace espalier::esp {
namespace {

using namespace test;

class PublishedPackets : public testing::TestWithParam<const char*> {
 protected:
  PublishedPackets() { add_backends(bench_); }

  // An inbound SA that takes anything of IPv4, with the SPI of the packet.
  void add_sa(std::string_view transform, const Bytes& packet, const Bytes& key, const Bytes& salt,
              const Bytes& integrity_key) {
    SaSpec sa = tunnel_sa("published", Direction::inbound, transform, load_be32(packet.data()));
    sa.esn = false;
    const IpPrefix any = IpPrefix::parse("0.0.0.0/0").value();
    sa.selectors = {{any, any}};
    const auto secret = [&](const Bytes& bytes) {
      return SecretBytes::copy(*bench_.secrets, bytes).value();
    };
    const auto device = bench_.registry->open(GetParam(), "cpu").value();
    auto session =
        device->open_session(sa, SaKeys{secret(key), secret(salt), secret(integrity_key)});
    ASSERT_TRUE(session) << session.error().message;
    ASSERT_TRUE(gate_.engine->add(sa, std::move(*session)));
  }
  std::vector<Bytes> receive(const Bytes& packet) {
    EXPECT_TRUE(send(*gate_.wire[0], packet));
    gate_.turn();
    return receive_all(*gate_.clear[0]);
  }
  // The packet in the clear, without ESP header, IV, padding and trailer.
  static Bytes inner_of(const Bytes& clear, std::size_t header) {
    const std::size_t padding = clear[clear.size() - 2];
    return {clear.begin() + std::ptrdiff_t(header), clear.end() - std::ptrdiff_t(2 + padding)};
  }

  Bench bench_;
  Gate gate_;
};
INSTANTIATE_TEST_SUITE_P(Backends, PublishedPackets, testing::Values("openssl", "aesni"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(PublishedPackets, OfRfc7634ComesOutOfTheTunnel) {
  const Vector v = read_vectors("esp_chacha20.txt").front();
  ASSERT_EQ(v.text("NAME"), "RFC 7634 appendix A");
  add_sa("chacha20poly1305", v.bytes("SEALED"), v.bytes("KEY"), v.bytes("SALT"), {});
  EXPECT_EQ(receive(v.bytes("SEALED")), std::vector<Bytes>{inner_of(v.bytes("CLEAR"), 16)});
}

TEST_P(PublishedPackets, OfRfc3602InTunnelModeComeOutOfTheTunnel) {
  int seen = 0;
  for (const Vector& v : read_vectors("rfc3602_cbc.txt")) {
    const std::string& name = v.text("NAME");
    if (!name.ends_with("case 7") && !name.ends_with("case 8")) continue;
    SCOPED_TRACE(name);
    Bytes packet = v.bytes("HEADER");
    for (const char* part : {"IV", "CIPHERTEXT"}) {
      const Bytes more = v.bytes(part);
      packet.insert(packet.end(), more.begin(), more.end());
    }
    const Bytes integrity_key(20, 0x0b);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    HMAC(EVP_sha1(), integrity_key.data(), 20, packet.data(), packet.size(), digest.data(), &size);
    packet.insert(packet.end(), digest.begin(), digest.begin() + 12);
    if (seen++ == 0) add_sa("aes128-sha1", packet, v.bytes("KEY"), {}, integrity_key);
    EXPECT_EQ(receive(packet), std::vector<Bytes>{inner_of(v.bytes("PLAINTEXT"), 0)});
  }
  EXPECT_EQ(seen, 2);
}

// These name a next header (1) that no tunnel has: they are found authentic, and then dropped for
// that, which comes after the ICV and the replay window.
TEST_P(PublishedPackets, OfTheGcmDraftAreAuthentic) {
  std::size_t authentic = 0;
  for (const Vector& v : read_vectors("esp_gcm.txt")) {
    const Bytes sealed = v.bytes("SEALED");
    if (v.has("SEQ_HI") || load_be32(sealed.data()) < kMinSpi) continue;
    SCOPED_TRACE(v.text("NAME"));
    const bool gmac = v.text("CIPHER") == "AES_GMAC";
    const auto bits = std::to_string(8 * v.bytes("KEY").size());
    add_sa("aes" + bits + (gmac ? "gmac" : "gcm16"), sealed, v.bytes("KEY"), v.bytes("SALT"), {});
    EXPECT_TRUE(receive(sealed).empty());
    EXPECT_EQ(gate_.drops(Drop::in_next_header), ++authentic);
    EXPECT_EQ(gate_.status("published").sequence, load_be32(sealed.data() + 4));
    ASSERT_TRUE(gate_.engine->remove("published"));
    gate_.turn();
  }
  EXPECT_EQ(authentic, 5u);
  EXPECT_EQ(gate_.all_drops(), authentic);
}

}  // namespace
}  // namespace espalier::esp
