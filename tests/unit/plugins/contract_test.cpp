// SPDX-License-Identifier: Apache-2.0
//
// What abi.h promises of a session and an op, for all backends on every code path.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "harness.hpp"

namespace espalier::test {
namespace {

class Contract : public testing::TestWithParam<Candidate> {
 protected:
  void SetUp() override {
    std::string reason;
    backend_ = OpenBackend::open(*GetParam().entry, GetParam().options, reason);
    ASSERT_TRUE(backend_) << reason;
  }
  bool is_openssl() const { return GetParam().is_openssl(); }
  std::vector<Transform> transforms() const { return GetParam().transforms(); }
  espalier_status refused(const Sa& sa, std::string& words) {
    std::uint64_t session = 0;
    const auto status = backend_->try_session(sa, ESPALIER_OUTBOUND, session, words);
    if (status == ESPALIER_OK) backend_->close(session);
    return status;
  }

  Random random_{test_seed()};
  std::unique_ptr<OpenBackend> backend_;
};

TEST_P(Contract, EveryBitOfTheIcvCounts) {
  for (const auto& transform : transforms()) {
    SCOPED_TRACE(transform.name());
    const Sa sa = random_sa(random_, transform, true);
    const auto seal = backend_->session(sa, ESPALIER_OUTBOUND);
    const auto open = backend_->session(sa, ESPALIER_INBOUND);
    Bytes sealed = random_bytes(random_, sa.payload_offset() + 64 + sa.icv_bytes);
    const auto length = static_cast<std::uint32_t>(sealed.size());
    auto op = make_op(seal, sa, sealed.data(), length, 7);
    ASSERT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    for (std::uint32_t bit = 0; bit < 8 * sa.icv_bytes; ++bit) {
      Bytes packet = sealed;
      packet[length - sa.icv_bytes + bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      op = make_op(open, sa, packet.data(), length, 7);
      ASSERT_EQ(backend_->process(op), ESPALIER_OP_BAD_ICV) << "bit " << bit;
    }
    op = make_op(open, sa, sealed.data(), length, 7);
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    backend_->close(seal);
    backend_->close(open);
  }
}

// Where the packet was, and where it was to go: neither may show eight bytes of it in the clear.
TEST_P(Contract, AfterABadIcvNoPlaintextIsLeft) {
  for (const auto& transform : transforms()) {
    const Sa sa = random_sa(random_, transform, random_() % 2 == 0);
    const auto seal = backend_->session(sa, ESPALIER_OUTBOUND);
    const auto open = backend_->session(sa, ESPALIER_INBOUND);
    for (const std::uint32_t payload : {16U, 48U, 64U, 304U, 1504U, 9008U, 65440U}) {
      for (const bool in_place : {true, false}) {
        SCOPED_TRACE(transform.name() + ", " + std::to_string(payload) + " bytes");
        const Bytes clear = random_bytes(random_, payload);
        Bytes packet = random_bytes(random_, sa.payload_offset() + payload + sa.icv_bytes);
        std::ranges::copy(clear, packet.begin() + sa.payload_offset());
        const auto length = static_cast<std::uint32_t>(packet.size());
        auto op = make_op(seal, sa, packet.data(), length, 7);
        ASSERT_EQ(backend_->process(op), ESPALIER_OP_DONE);
        packet.back() ^= 1;
        Bytes elsewhere(in_place ? 0 : packet.size());
        op = make_op(open, sa, packet.data(), length, 7);
        if (!in_place) op.dst = elsewhere.data();
        ASSERT_EQ(backend_->process(op), ESPALIER_OP_BAD_ICV);
        const Bytes& target = in_place ? packet : elsewhere;
        for (std::size_t i = 0; i + 8 <= clear.size(); i += 8) {
          const auto piece = std::span(clear).subspan(i, 8);
          ASSERT_TRUE(std::ranges::search(target, piece).empty()) << "byte " << i;
          if (payload > 2000) i += 1024;  // looking at all would take long
        }
      }
    }
    backend_->close(seal);
    backend_->close(open);
  }
}

TEST_P(Contract, AnOpThatFitsNoPacketFailsUntouched) {
  for (const auto& transform : transforms()) {
    SCOPED_TRACE(transform.name());
    const Sa sa = random_sa(random_, transform, false);
    const auto session = backend_->session(sa, ESPALIER_OUTBOUND);
    const Bytes before = random_bytes(random_, 256);
    const auto good = make_op(session, sa, nullptr, sa.payload_offset() + 64 + sa.icv_bytes);
    std::vector<espalier_op> bad(6, good);
    bad[0].session = 0;
    bad[1].length += 1;
    bad[2].icv_offset = sa.payload_offset() - 1;
    bad[2].length = bad[2].icv_offset + sa.icv_bytes;
    bad[3].icv_offset = 0;
    bad[3].length = sa.icv_bytes;
    bad[4].icv_offset = UINT32_MAX;
    bad[4].length = sa.icv_bytes - 1;  // what the sum would be in 32 bits
    if (sa.block_bytes() > 1) {
      bad[5].icv_offset += 1;
      bad[5].length += 1;
    } else {
      bad[5].length -= 1;
    }
    for (std::size_t i = 0; i < bad.size(); ++i) {
      Bytes packet = before;
      bad[i].esp = packet.data();
      EXPECT_EQ(backend_->process(bad[i]), ESPALIER_OP_FAILED) << "op " << i;
      EXPECT_EQ(packet, before) << "op " << i;
    }
    backend_->close(session);
  }
}

TEST_P(Contract, ABadOpHarmsNoOtherOfItsBurst) {
  std::vector<Sa> sas;
  std::vector<std::uint64_t> sessions;
  std::vector<Bytes> packets;
  std::vector<espalier_op> ops;
  const auto all = transforms();
  for (std::size_t i = 0; i < 300; ++i) {
    sas.push_back(random_sa(random_, all[i % all.size()], i % 2 == 0));
    sessions.push_back(backend_->session(sas[i], ESPALIER_OUTBOUND));
    packets.push_back(random_bytes(random_, sas[i].payload_offset() + 96 + sas[i].icv_bytes));
    ops.push_back(make_op(sessions[i], sas[i], packets[i].data(),
                          static_cast<std::uint32_t>(packets[i].size())));
    if (i % 7 == 3) ops[i].length -= 1;
  }
  std::vector<espalier_op*> pointers;
  for (auto& op : ops) pointers.push_back(&op);
  backend_->process(pointers);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    EXPECT_EQ(ops[i].status, i % 7 == 3 ? ESPALIER_OP_FAILED : ESPALIER_OP_DONE) << "op " << i;
    backend_->close(sessions[i]);
  }
}

TEST_P(Contract, AnEmptyBurstIsDone) { EXPECT_NO_THROW(backend_->process({})); }

TEST_P(Contract, AeadsTakePacketsOfAnyLength) {
  for (const auto& transform : transforms()) {
    if (transform.integrity != ESPALIER_INTEGRITY_NONE) continue;
    SCOPED_TRACE(transform.name());
    const Sa sa = random_sa(random_, transform, true);
    const auto seal = backend_->session(sa, ESPALIER_OUTBOUND);
    const auto open = backend_->session(sa, ESPALIER_INBOUND);
    const Bytes clear = random_bytes(random_, 300007);
    Bytes packet = clear;
    auto op = make_op(seal, sa, packet.data(), static_cast<std::uint32_t>(packet.size()));
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    op = make_op(open, sa, packet.data(), static_cast<std::uint32_t>(packet.size()));
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    EXPECT_TRUE(std::equal(clear.begin(), clear.end() - 16, packet.begin()));
    backend_->close(seal);
    backend_->close(open);
  }
}

TEST_P(Contract, WhatIsLongerThanItsCapabilityFailsUntouched) {
  for (const auto& cap : backend_->caps()) {
    if (cap.max_length == 0) continue;
    EXPECT_GE(cap.max_length, 65535U) << "an IP packet would not fit";
    const auto all = transforms();
    const auto found = std::ranges::find_if(all, [&](const Transform& t) {
      return t.cipher == cap.cipher && t.integrity == cap.integrity;
    });
    ASSERT_NE(found, all.end());
    const Sa sa = random_sa(random_, *found, true);
    const auto session = backend_->session(sa, ESPALIER_OUTBOUND);
    Bytes packet(sa.payload_offset() + 65536 + sa.icv_bytes, 1);
    const Bytes before = packet;
    auto op = make_op(session, sa, packet.data(), static_cast<std::uint32_t>(packet.size()));
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_FAILED) << found->name();
    EXPECT_EQ(packet, before);
    backend_->close(session);
  }
}

TEST_P(Contract, EveryCapabilityOpensInAllItsVariants) {
  const auto caps = backend_->caps();
  std::set<std::pair<std::uint16_t, std::uint16_t>> seen;
  for (const auto& cap : caps) {
    EXPECT_EQ(cap.struct_size, sizeof cap);
    EXPECT_TRUE(seen.insert({cap.cipher, cap.integrity}).second) << "said twice";
    EXPECT_EQ(cap.directions, 3U);
    EXPECT_EQ(cap.esn, 3U);
    EXPECT_GE(cap.score, 1U);
    EXPECT_LE(cap.score, 1000U);
    EXPECT_TRUE(is_openssl() ? cap.score == 100U : cap.score > 100U) << cap.score;
  }
  for (const auto& t : transforms()) {
    const auto cap = std::ranges::find_if(caps, [&](const espalier_capability& c) {
      return c.cipher == t.cipher && c.integrity == t.integrity;
    });
    ASSERT_NE(cap, caps.end()) << t.name();
    EXPECT_NE(cap->icv_bytes & ESPALIER_ICV(t.icv_bytes), 0U) << t.name();
    const std::uint32_t key_bit = cap->key_bits == ESPALIER_KEY_ANY ? ESPALIER_KEY_ANY
                                  : t.key_bytes == 16               ? ESPALIER_KEY_128
                                  : t.key_bytes == 24               ? ESPALIER_KEY_192
                                                                    : ESPALIER_KEY_256;
    EXPECT_NE(cap->key_bits & key_bit, 0U) << t.name();
    std::string words;
    EXPECT_EQ(refused(random_sa(random_, t, true), words), ESPALIER_OK) << t.name() << words;
    seen.erase({t.cipher, t.integrity});
  }
  EXPECT_TRUE(seen.empty()) << "a capability that no test covers";
}

TEST_P(Contract, ParametersThatMakeNoSessionAreRefusedInWords) {
  const Transform gcm{ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, 32, 16};
  const Transform cbc{ESPALIER_CIPHER_AES_CBC, ESPALIER_INTEGRITY_HMAC_SHA256, 16, 16};
  struct Case {
    const char* what;
    Transform transform;
    void (*spoil)(Sa&);
    const char* words;
  };
  const Case cases[] = {
      {"short key", gcm, [](Sa& sa) { sa.key.pop_back(); }, "16, 24 or 32 bytes, not 31"},
      {"no salt", gcm, [](Sa& sa) { sa.salt.clear(); }, "4 bytes, not 0"},
      {"salt for CBC", cbc, [](Sa& sa) { sa.salt.resize(4); }, "0 bytes, not 4"},
      {"odd ICV", gcm, [](Sa& sa) { sa.icv_bytes = 10; }, "ICV of 10 bytes"},
      {"ICV of another hash", cbc, [](Sa& sa) { sa.icv_bytes = 12; }, "ICV of 12 bytes"},
      {"no integrity", cbc,
       [](Sa& sa) {
         sa.integrity = ESPALIER_INTEGRITY_NONE;
         sa.integrity_key.clear();
       },
       "needs an integrity algorithm"},
      {"HMAC on an AEAD", gcm, [](Sa& sa) { sa.integrity = ESPALIER_INTEGRITY_HMAC_SHA1; },
       "takes no integrity algorithm"},
      {"no HMAC key", cbc, [](Sa& sa) { sa.integrity_key.clear(); }, "1 to 1024 bytes, not 0"}};
  for (const auto& c : cases) {
    Sa sa = random_sa(random_, c.transform, false);
    c.spoil(sa);
    std::string words;
    EXPECT_EQ(refused(sa, words), ESPALIER_INVALID) << c.what;
    EXPECT_NE(words.find(c.words), std::string::npos) << c.what << ": " << words;
  }
  Sa sa = random_sa(random_, gcm, false);
  sa.cipher = 99;
  std::string words;
  EXPECT_EQ(refused(sa, words), ESPALIER_UNSUPPORTED);
}

TEST_P(Contract, ASessionKeepsNothingOfTheCallersKeys) {
  for (const auto& transform : transforms()) {
    SCOPED_TRACE(transform.name());
    Sa sa = random_sa(random_, transform, false);
    const Bytes clear = random_bytes(random_, sa.payload_offset() + 64 + sa.icv_bytes);
    const auto seal = [&](std::uint64_t session) {
      Bytes packet = clear;
      auto op = make_op(session, sa, packet.data(), static_cast<std::uint32_t>(packet.size()));
      EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
      return packet;
    };
    const auto session = backend_->session(sa, ESPALIER_OUTBOUND);
    const Bytes first = seal(session);
    for (Bytes* key : {&sa.key, &sa.salt, &sa.integrity_key}) std::ranges::fill(*key, 0xdd);
    EXPECT_EQ(seal(session), first);
    backend_->close(session);
  }
}

TEST_P(Contract, ClosedSessionsLeaveNoSecretBehind) {
  std::vector<std::uint64_t> sessions;
  for (const auto& transform : transforms()) {
    for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
      sessions.push_back(backend_->session(random_sa(random_, transform, true), direction));
  }
  EXPECT_EQ(backend_->secrets_held(), is_openssl() ? 0U : sessions.size());
  for (const auto session : sessions) backend_->close(session);
  EXPECT_EQ(backend_->secrets_held(), 0U);
  EXPECT_EQ(backend_->secrets_returned_unwiped(), 0U);
}

TEST_P(Contract, ARefusalForWantOfLockedMemorySaysWhatToDo) {
  if (is_openssl()) return;  // its keys live in OpenSSL's own contexts
  backend_->exhaust_secrets();
  for (const auto& transform : transforms()) {
    std::string words;
    EXPECT_EQ(refused(random_sa(random_, transform, false), words), ESPALIER_CAPACITY);
    EXPECT_NE(words.find("RLIMIT_MEMLOCK"), std::string::npos) << words;
  }
}

TEST_P(Contract, TheDeviceSaysWhatItIs) {
  const std::string description = backend_->info().description;
  const bool is_card = GetParam().is_example();
  EXPECT_STREQ(backend_->info().name, is_card ? "card0" : "cpu");
  EXPECT_EQ(backend_->info().dataplane, std::uint32_t{ESPALIER_USERSPACE});
  const char* const word = is_card ? "lookaside" : is_openssl() ? "OpenSSL" : "AES-NI";
  EXPECT_NE(description.find(word), std::string::npos);
}

TEST_P(Contract, WhatIsLeftToOpensslIsRefusedInWords) {
  const auto expect = [&](const Sa& sa, bool left) {
    std::string words;
    EXPECT_EQ(refused(sa, words), left ? ESPALIER_UNSUPPORTED : ESPALIER_OK) << words;
    EXPECT_EQ(words.contains("the openssl backend does"), left) << words;
  };
  Sa long_key =
      random_sa(random_, {ESPALIER_CIPHER_NULL, ESPALIER_INTEGRITY_HMAC_MD5, 0, 12}, true);
  long_key.integrity_key = Bytes(65, 7);  // ESP's keys have 16 bytes
  expect(long_key, !is_openssl());
  for (const auto& transform : all_transforms())
    expect(random_sa(random_, transform, false), !GetParam().does(transform));
}

INSTANTIATE_TEST_SUITE_P(Backends, Contract, testing::ValuesIn(candidates()),
                         [](const auto& tested) { return tested.param.name; });

TEST(Aesni, RefusesOptionsThatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {{R"({"lanes": 4})", "lanes"},
                                                       {R"({"path": "mmx"})", "mmx"},
                                                       {R"({"path": 1})", "path"},
                                                       {"[", "JSON"}};
  for (const auto& [options, words] : cases) {
    std::string reason;
    EXPECT_FALSE(OpenBackend::open(espalier_plugin_aesni, options, reason)) << options;
    EXPECT_NE(reason.find(words), std::string::npos) << options << ": " << reason;
  }
}

}  // namespace
}  // namespace espalier::test
