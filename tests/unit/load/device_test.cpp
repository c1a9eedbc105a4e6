// SPDX-License-Identifier: Apache-2.0
//
// Open devices, sessions and queues over a C table that the test writes itself.
#include <gmock/gmock.h>
#include <espalier/device.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A device in C style: what it was asked, and what it shall answer.
struct Card {
  std::vector<std::string> calls;
  espalier_status answer = ESPALIER_OK;
  std::string words;
  std::uint32_t claimed = 0;  // by submit and poll
  espalier_session_params params{};
  std::vector<std::uint8_t> cipher_key, salt, integrity_key;
  std::uint64_t deadline = 0;
};

Card& card(void* handle) { return *static_cast<Card*>(handle); }

espalier_status answer(Card& card, const char* call, espalier_message* message) {
  card.calls.emplace_back(call);
  if (message != nullptr) std::memcpy(message->text, card.words.data(), card.words.size());
  return card.answer;
}

std::vector<std::uint8_t> copy(espalier_bytes bytes) {
  return {bytes.data, bytes.data + bytes.size};
}

espalier_userspace table() {
  espalier_userspace t{};
  t.struct_size = sizeof(t);
  t.device_close = [](void* device) { card(device).calls.emplace_back("device_close"); };
  t.mem_attach = [](void* device, void*, uint64_t, uint64_t* iova, espalier_message* message) {
    *iova = 0x1000;
    return answer(card(device), "mem_attach", message);
  };
  t.mem_detach = [](void* device, void*, uint64_t) {
    card(device).calls.emplace_back("mem_detach");
  };
  t.session_open = [](void* device, const espalier_session_params* params, uint64_t* session,
                      espalier_message* message) {
    card(device).params = *params;
    card(device).cipher_key = copy(params->cipher_key);
    card(device).salt = copy(params->salt);
    card(device).integrity_key = copy(params->integrity_key);
    *session = 42;
    return answer(card(device), "session_open", message);
  };
  t.session_close = [](void* device, uint64_t session) {
    card(device).calls.emplace_back("session_close " + std::to_string(session));
  };
  t.queue_open = [](void* device, void** queue, espalier_message* message) {
    *queue = device;
    return answer(card(device), "queue_open", message);
  };
  t.queue_close = [](void* queue) { card(queue).calls.emplace_back("queue_close"); };
  t.process = [](void* queue, espalier_op* const*, uint32_t) { return card(queue).answer; };
  t.submit = [](void* queue, espalier_op* const*, uint32_t) { return card(queue).claimed; };
  t.poll = [](void* queue, espalier_op**, uint32_t) { return card(queue).claimed; };
  t.queue_quiesce = [](void* queue, uint64_t deadline) {
    card(queue).deadline = deadline;
    return answer(card(queue), "queue_quiesce", nullptr);
  };
  return t;
}

class DeviceTest : public ::testing::Test {
 protected:
  std::shared_ptr<OpenDevice> open(bool asynchronous = false, bool needs_dma = false) {
    Device info;
    info.name = "card0";
    info.asynchronous = asynchronous;
    info.needs_dma = needs_dma;
    return std::make_shared<OpenDevice>("acme", info, functions, &device_card, keeper);
  }

  SecretBytes secret(std::size_t size, std::uint8_t fill) {
    return SecretBytes::copy(*pool, std::vector<std::uint8_t>(size, fill)).value();
  }

  SaKeys gcm_keys() { return {secret(32, 1), secret(4, 2), {}}; }

  static SaSpec gcm() {
    SaSpec sa;
    sa.name = "berlin";
    return sa;
  }

  std::unique_ptr<SecretPool> pool = std::move(SecretPool::create()).value();
  Card device_card;
  espalier_userspace functions = table();
  std::shared_ptr<int> keeper = std::make_shared<int>();
};

// ---- Sessions -----------------------------------------------------------------------------------

TEST_F(DeviceTest, GivesEverythingOfAnAeadSaToTheDevice) {
  auto sa = gcm();
  sa.direction = Direction::inbound;
  ASSERT_TRUE(open()->open_session(sa, gcm_keys()));
  const auto& params = device_card.params;
  EXPECT_EQ(params.struct_size, sizeof(params));
  EXPECT_EQ(params.cipher, ESPALIER_CIPHER_AES_GCM);
  EXPECT_EQ(params.integrity, ESPALIER_INTEGRITY_NONE);
  EXPECT_EQ(params.direction, static_cast<unsigned>(ESPALIER_INBOUND));
  EXPECT_EQ(params.icv_bytes, 16u);
  EXPECT_EQ(params.esn, 1u);
  EXPECT_EQ(device_card.cipher_key, std::vector<std::uint8_t>(32, 1));
  EXPECT_EQ(device_card.salt, std::vector<std::uint8_t>(4, 2));
  EXPECT_THAT(device_card.integrity_key, IsEmpty());
}

TEST_F(DeviceTest, GivesEverythingOfACbcSaToTheDevice) {
  auto sa = gcm();
  sa.transform = {Cipher::aes_cbc, 128, Integrity::hmac_sha256, 16};
  sa.esn = false;
  ASSERT_TRUE(open()->open_session(sa, {secret(16, 1), {}, secret(32, 3)}));
  EXPECT_EQ(device_card.params.cipher, ESPALIER_CIPHER_AES_CBC);
  EXPECT_EQ(device_card.params.integrity, ESPALIER_INTEGRITY_HMAC_SHA256);
  EXPECT_EQ(device_card.params.direction, static_cast<unsigned>(ESPALIER_OUTBOUND));
  EXPECT_EQ(device_card.params.esn, 0u);
  EXPECT_THAT(device_card.salt, IsEmpty());
  EXPECT_EQ(device_card.integrity_key, std::vector<std::uint8_t>(32, 3));
}

TEST_F(DeviceTest, GivesNoKeysOfAWrongLengthToTheDevice) {
  const auto device = open();
  const auto shorter = device->open_session(gcm(), {secret(31, 1), secret(4, 2), {}});
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().code, ErrorCode::invalid);
  EXPECT_EQ(shorter.error().message,
            "the cipher key of SA 'berlin' has 31 bytes, aes256gcm16 needs 32");
  EXPECT_FALSE(device->open_session(gcm(), {secret(32, 1), secret(3, 2), {}}));
  EXPECT_FALSE(device->open_session(gcm(), {secret(32, 1), secret(4, 2), secret(20, 3)}));
  auto unknown = gcm();
  unknown.transform.key_bits = 512;
  EXPECT_EQ(device->open_session(unknown, gcm_keys()).error().code, ErrorCode::unsupported);
  EXPECT_THAT(device_card.calls, IsEmpty());
}

TEST_F(DeviceTest, GivesNoTripleDesKeyThatIsSingleDesToTheDevice) {
  const auto device = open();
  auto sa = gcm();
  sa.transform = {Cipher::des3_cbc, 192, Integrity::hmac_sha1, 12};
  const auto opened = [&](std::uint8_t first, std::uint8_t second, std::uint8_t third) {
    std::vector<std::uint8_t> key(8, first);
    key.insert(key.end(), 8, second);
    key.insert(key.end(), 8, third);
    return device->open_session(sa, {SecretBytes::copy(*pool, key).value(), {}, secret(20, 3)});
  };
  for (const auto& refused : {opened(2, 2, 4), opened(4, 2, 2), opened(2, 3, 4)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("makes 3DES single DES"));
  }
  EXPECT_THAT(device_card.calls, IsEmpty());
  EXPECT_TRUE(opened(2, 4, 2)) << "two keys, used as encrypt, decrypt, encrypt";
}

TEST_F(DeviceTest, ClosesASessionOnceWhoeverHeldIt) {
  {
    auto first = open()->open_session(gcm(), gcm_keys()).value();
    Session second = std::move(first);
    EXPECT_EQ(second.handle(), 42u);
    EXPECT_FALSE(first);
    Session third;
    third = std::move(second);
    EXPECT_TRUE(third);
    Session& itself = third;
    third = std::move(itself);
    EXPECT_TRUE(third) << "moved into itself";
  }
  EXPECT_THAT(device_card.calls, ElementsAre("session_open", "session_close 42", "device_close"));
}

TEST_F(DeviceTest, ClosesTheSessionThatIsReplaced) {
  const auto device = open();
  auto session = device->open_session(gcm(), gcm_keys()).value();
  session = device->open_session(gcm(), gcm_keys()).value();
  EXPECT_THAT(device_card.calls, ElementsAre("session_open", "session_open", "session_close 42"));
}

TEST_F(DeviceTest, LivesAsLongAsItsSessionsAndQueues) {
  auto device = open();
  auto session = device->open_session(gcm(), gcm_keys()).value();
  auto queue = device->open_queue().value();
  device.reset();
  queue.reset();
  EXPECT_EQ(keeper.use_count(), 2) << "the session keeps the device, the device its plugin";
  session = Session();
  EXPECT_EQ(keeper.use_count(), 1);
  EXPECT_THAT(device_card.calls, ElementsAre("session_open", "queue_open", "queue_close",
                                             "session_close 42", "device_close"));
}

// ---- Refusals -----------------------------------------------------------------------------------

TEST_F(DeviceTest, CarriesTheClassAndTheWordsOfARefusal) {
  const std::pair<espalier_status, ErrorCode> classes[] = {
      {ESPALIER_UNSUPPORTED, ErrorCode::unsupported}, {ESPALIER_CAPACITY, ErrorCode::capacity},
      {ESPALIER_TRANSIENT, ErrorCode::transient},     {ESPALIER_LOST, ErrorCode::lost},
      {ESPALIER_PERMISSION, ErrorCode::permission},   {ESPALIER_INVALID, ErrorCode::invalid}};
  device_card.words = "the table is full";
  for (const auto& [status, code] : classes) {
    device_card.answer = status;
    const auto refused = open()->open_session(gcm(), gcm_keys());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
    EXPECT_EQ(refused.error().message,
              "cannot open a session for SA 'berlin' on acme/card0: the table is full");
  }
}

TEST_F(DeviceTest, TakesAStatusThatTheAbiDoesNotKnowAsALostDevice) {
  for (const espalier_status status : {-1, 7, INT32_MIN, INT32_MAX}) {
    device_card.answer = status;
    EXPECT_EQ(open()->open_session(gcm(), gcm_keys()).error().code, ErrorCode::lost);
    EXPECT_EQ(open()->open_queue().error().code, ErrorCode::lost);
  }
}

TEST_F(DeviceTest, ShowsWordsWithoutAnEndSafely) {
  device_card.answer = ESPALIER_CAPACITY;
  device_card.words = std::string(512, 'x');
  EXPECT_THAT(open()->open_queue().error().message, HasSubstr(std::string(512, 'x')));
  device_card.words = "a\x1b[2Jb\n";
  EXPECT_THAT(open()->open_queue().error().message, HasSubstr("card0: a?[2Jb"));
  device_card.words = "";
  EXPECT_THAT(open()->open_queue().error().message, HasSubstr("its plugin gave no reason"));
}

TEST_F(DeviceTest, DoesNotBelieveAQueueWithoutAHandle) {
  functions.queue_open = [](void*, void**, espalier_message*) {
    return espalier_status{ESPALIER_OK};
  };
  const auto queue = open()->open_queue();
  ASSERT_FALSE(queue);
  EXPECT_EQ(queue.error().code, ErrorCode::lost);
}

// ---- Queues -------------------------------------------------------------------------------------

TEST_F(DeviceTest, CutsTheCountsOfALyingDevice) {
  const auto queue = open(true).get()->open_queue().value();
  EXPECT_TRUE(queue->asynchronous());
  espalier_op op{};
  espalier_op* ops[] = {&op, &op, &op};
  for (const auto& [claimed, believed] :
       {std::pair{0u, 0u}, {2u, 2u}, {3u, 3u}, {4u, 3u}, {UINT32_MAX, 3u}}) {
    device_card.claimed = claimed;
    EXPECT_EQ(queue->submit(ops), believed);
    EXPECT_EQ(queue->poll(ops), believed);
  }
}

TEST_F(DeviceTest, TakesAnyFailureOfProcessAsLost) {
  const auto queue = open()->open_queue().value();
  espalier_op op{};
  espalier_op* ops[] = {&op};
  EXPECT_EQ(queue->process(ops), ESPALIER_OK);
  for (const espalier_status status : {ESPALIER_LOST + 0, ESPALIER_CAPACITY + 0, -1, 99}) {
    device_card.answer = status;
    EXPECT_EQ(queue->process(ops), ESPALIER_LOST);
  }
}

TEST_F(DeviceTest, QuiescesAnAsynchronousQueueWithADeadline) {
  const auto queue = open(true)->open_queue().value();
  EXPECT_TRUE(queue->quiesce(std::chrono::milliseconds(250)));
  const auto first = device_card.deadline;
  EXPECT_TRUE(queue->quiesce(std::chrono::hours(1)));
  EXPECT_GE(device_card.deadline - first, 3'599'000'000'000u) << "in nanoseconds";
  device_card.answer = ESPALIER_TRANSIENT;
  const auto late = queue->quiesce(std::chrono::milliseconds(250));
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message, HasSubstr("acme/card0 did not stop using a queue's buffers "
                                              "within 250 ms"));
}

TEST_F(DeviceTest, HasNothingToQuiesceWhereItIsSynchronous) {
  functions.queue_quiesce = nullptr;
  EXPECT_TRUE(open()->open_queue().value()->quiesce(std::chrono::milliseconds(1)));
}

// ---- Memory -------------------------------------------------------------------------------------

TEST_F(DeviceTest, AttachesMemoryWhereItIsNeeded) {
  std::vector<std::uint8_t> memory(64);
  const auto device = open(false, true);
  EXPECT_EQ(device->attach(memory).value(), 0x1000u);
  device->detach(memory);
  EXPECT_THAT(device_card.calls, ElementsAre("mem_attach", "mem_detach"));
  device_card.answer = ESPALIER_PERMISSION;
  EXPECT_EQ(device->attach(memory).error().code, ErrorCode::permission);
}

TEST_F(DeviceTest, AsksNothingOfADeviceThatCopies) {
  functions.mem_attach = nullptr;
  functions.mem_detach = nullptr;
  std::vector<std::uint8_t> memory(64);
  const auto device = open();
  EXPECT_EQ(device->attach(memory).value(), 0u);
  device->detach(memory);
  EXPECT_THAT(device_card.calls, IsEmpty());
}

}  // namespace
}  // namespace espalier
