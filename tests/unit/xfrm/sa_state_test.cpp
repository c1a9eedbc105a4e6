// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_state.hpp"

#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier::xfrm {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

xfrm_usersa_info info(std::uint32_t spi) {
  xfrm_usersa_info made{};
  made.id.daddr.a4 = htonl(0xc0000202);
  made.id.spi = htonl(spi);
  made.id.proto = IPPROTO_ESP;
  made.saddr.a4 = htonl(0xc0000201);
  made.family = AF_INET;
  made.mode = XFRM_MODE_TUNNEL;
  made.curlft.packets = 7;
  made.curlft.bytes = 700;
  made.stats = {1, 2, 3};
  return made;
}

struct Replay {
  std::uint32_t words = 1, oseq = 5, seq = 6, oseq_hi = 1, seq_hi = 2, window = 32, map = 0;
};

Message finished(const Request& request) {
  return {request.header().nlmsg_type, 0, SecretBuffer(request.bytes().subspan(NLMSG_HDRLEN))};
}

// A key, which is not zero unless the kernel hides it.
void put_key(Request& request, std::uint8_t byte) {
  xfrm_algo_aead aead{};
  std::strcpy(aead.alg_name, "rfc4106(gcm(aes))");
  aead.alg_key_len = 160;
  auto* const at = request.room(XFRMA_ALG_AEAD, sizeof aead + 20);
  std::memcpy(at, &aead, sizeof aead);
  std::memset(at + sizeof aead, byte, 20);
}

TEST(SaStateOf, ANewSaHasItsNumbersAndWhatItCarried) {
  Request request(XFRM_MSG_NEWSA, 0);
  request.fixed(info(0x1234)).attribute(XFRMA_REPLAY_ESN_VAL, Replay{});
  put_key(request, 9);
  const auto news = read_sa(finished(request));
  ASSERT_TRUE(news);
  EXPECT_EQ(news->kind, SaNews::Kind::is);
  const SaState& state = news->state;
  EXPECT_EQ(to_string(state.id), "SPI 0x1234 to 192.0.2.2");
  EXPECT_EQ(state.sent, 0x1'0000'0005U);
  EXPECT_EQ(state.received, 0x2'0000'0006U);
  EXPECT_EQ(state.packets, 7U);
  EXPECT_EQ(state.too_old + state.replays + state.bad_icv, 6U);
  EXPECT_EQ(state.algorithm, "rfc4106(gcm(aes))");
  EXPECT_FALSE(state.redacted);
  EXPECT_EQ(state.held_by, std::nullopt);
}

// libnl-xfrm looks for its attributes behind a header that it does not have.
TEST(SaStateOf, ADeletedSaHasItsLastNumbers) {
  Request request(XFRM_MSG_DELSA, 0);
  xfrm_usersa_id id{};
  id.daddr.a4 = htonl(0xc0000202);
  id.spi = htonl(0x1234);
  id.family = AF_INET;
  id.proto = IPPROTO_ESP;
  request.fixed(id).attribute(XFRMA_SA, info(0x1234)).attribute(XFRMA_REPLAY_ESN_VAL, Replay{});
  request.attribute(XFRMA_OFFLOAD_DEV, xfrm_user_offload{4, XFRM_OFFLOAD_INBOUND});
  const auto news = read_sa(finished(request));
  ASSERT_TRUE(news);
  EXPECT_EQ(news->kind, SaNews::Kind::deleted);
  EXPECT_EQ(news->state.sent, 0x1'0000'0005U);
  EXPECT_EQ(news->state.packets, 7U);
  EXPECT_EQ(to_string(news->state.source), "192.0.2.1");
  EXPECT_EQ(news->state.held_by, (HeldBy{4, Offload::crypto}));
}

TEST(SaStateOf, AnExpiryIsSoftOrHard) {
  for (const bool hard : {false, true}) {
    Request request(XFRM_MSG_EXPIRE, 0);
    xfrm_user_expire expire{};
    expire.state = info(0x99);
    expire.hard = hard ? 1 : 0;
    request.fixed(expire).attribute(XFRMA_MARK, xfrm_mark{1, 1});
    const auto news = read_sa(finished(request));
    ASSERT_TRUE(news);
    EXPECT_EQ(news->kind, hard ? SaNews::Kind::hard_expired : SaNews::Kind::soft_expired);
    EXPECT_EQ(news->state.id.spi, 0x99U);
  }
}

TEST(SaStateOf, KeysThatTheKernelHidesAreSeen) {
  Request request(XFRM_MSG_NEWSA, 0);
  request.fixed(info(0x1234));
  put_key(request, 0);
  EXPECT_TRUE(read_sa(finished(request))->state.redacted);
}

TEST(SaStateOf, WhatIsCutShortIsNothing) {
  Request request(XFRM_MSG_NEWSA, 0);
  request.fixed(info(0x1234));
  put_key(request, 9);
  const auto whole = request.bytes().subspan(NLMSG_HDRLEN);
  for (std::size_t size = 0; size < whole.size(); ++size)
    for (const std::uint16_t type : {XFRM_MSG_NEWSA, XFRM_MSG_DELSA, XFRM_MSG_EXPIRE}) {
      const auto news = read_sa({type, 0, SecretBuffer(whole.first(size))});
      const std::size_t head =
          type == XFRM_MSG_DELSA ? sizeof(xfrm_usersa_id) : sizeof(xfrm_usersa_info);
      EXPECT_TRUE(size >= head || !news) << size;
    }
  EXPECT_FALSE(read_sa({XFRM_MSG_NEWPOLICY, 0, SecretBuffer(whole)}));
}

TEST(ReadAllSas, AsksAgainWhereMessagesWereLostOrSasChangedMeanwhile) {
  FakeKernel kernel;
  kernel.sas[1].info = info(1);
  kernel.dump_errors = {ENOBUFS, EINTR};
  const auto states = read_all_sas(kernel);
  ASSERT_TRUE(states) << states.error().message;
  EXPECT_THAT(*states, SizeIs(1));
  EXPECT_THAT(kernel.asked, SizeIs(3));
}

TEST(ReadAllSas, GivesUpWhereThatDoesNotEnd) {
  FakeKernel kernel;
  kernel.dump_errors = std::vector<int>(100, ENOBUFS);
  EXPECT_FALSE(read_all_sas(kernel));
  EXPECT_LT(kernel.asked.size(), 10U);
}

TEST(ReadAllSas, LeavesOutWhatIsNoEsp) {
  FakeKernel kernel;
  kernel.sas[1].info = info(1);
  kernel.sas[1].info.id.proto = IPPROTO_AH;
  EXPECT_THAT(read_all_sas(kernel).value(), IsEmpty());
}

}  // namespace
}  // namespace espalier::xfrm
