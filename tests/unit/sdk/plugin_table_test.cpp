// SPDX-License-Identifier: Apache-2.0
//
// Every function of the C table that the C++ layer makes of a backend: that it reaches the object,
// and that nothing thrown leaves it.
#include <gmock/gmock.h>
#include <espalier/plugin.hpp>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::sdk {
namespace {

using ::testing::ElementsAre;

// What all objects of the test do: note the call, then what the test wants.
struct Script {
  std::vector<std::string> calls;
  std::function<void()> then = [] {};

  void run(const std::string& call) {
    calls.push_back(call);
    then();
  }
};

class ScriptedQueue final : public Queue {
 public:
  explicit ScriptedQueue(Script& script) : script_(script) {}
  ~ScriptedQueue() override { script_.calls.emplace_back("~queue"); }
  espalier_status process(espalier_op* const* ops, uint32_t n) override {
    for (uint32_t i = 0; i < n; ++i) ops[i]->status = ESPALIER_OP_DONE;
    script_.run("process");
    return ESPALIER_OK;
  }
  uint32_t submit(espalier_op* const*, uint32_t n) override {
    script_.run("submit");
    return n / 2;
  }
  uint32_t poll(espalier_op** ops, uint32_t) override {
    script_.run("poll");
    ops[0] = nullptr;
    return 1;
  }
  espalier_status quiesce(uint64_t deadline) override {
    script_.run("quiesce " + std::to_string(deadline));
    return ESPALIER_TRANSIENT;
  }

 private:
  Script& script_;
};

class ScriptedDevice final : public Device {
 public:
  explicit ScriptedDevice(Script& script) : script_(script) {}
  ~ScriptedDevice() override { script_.calls.emplace_back("~device"); }
  Result<uint64_t> session_open(const espalier_session_params& params) override {
    script_.run("session_open");
    if (params.cipher == 0) return Refusal{ESPALIER_CAPACITY, "the table is full"};
    return uint64_t{params.cipher};
  }
  void session_close(uint64_t session) override {
    script_.run("session_close " + std::to_string(session));
  }
  Result<std::unique_ptr<Queue>> queue_open() override {
    script_.run("queue_open");
    return std::make_unique<ScriptedQueue>(script_);
  }
  Result<uint64_t> mem_attach(void*, uint64_t size) override {
    script_.run("mem_attach");
    return size + 1;
  }
  void mem_detach(void*, uint64_t) override { script_.run("mem_detach"); }

 private:
  Script& script_;
};

class ScriptedBackend final : public Backend {
 public:
  explicit ScriptedBackend(Script& script) : script_(script) {}
  ~ScriptedBackend() override { script_.calls.emplace_back("~backend"); }
  Result<std::vector<espalier_device_info>> enumerate() override {
    script_.run("enumerate");
    std::vector<espalier_device_info> list(3);
    for (uint64_t i = 0; i < 3; ++i) list[i].id = 10 + i;
    return list;
  }
  Result<std::vector<espalier_capability>> caps(uint64_t device) override {
    script_.run("caps " + std::to_string(device));
    return std::vector(1, sized<espalier_capability>());
  }
  Result<std::vector<espalier_pool>> pools(uint64_t device) override {
    script_.run("pools " + std::to_string(device));
    return std::vector(2, sized<espalier_pool>());
  }
  espalier_health health(uint64_t device) override {
    script_.run("health " + std::to_string(device));
    auto now = sized<espalier_health>();
    now.state = ESPALIER_DEGRADED;
    copy_text(now.reason, "hot");
    return now;
  }
  Result<std::unique_ptr<Device>> open(uint64_t id) override {
    script_.run("open " + std::to_string(id));
    return std::make_unique<ScriptedDevice>(script_);
  }
  Result<espalier_recipe> recipe(uint64_t, const espalier_sa& sa) override {
    script_.run("recipe");
    auto recipe = sized<espalier_recipe>();
    recipe.offload = sa.replay_window;
    return recipe;
  }

 private:
  Script& script_;
};

class PluginTable : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(user.device_open(table->self, 1, &device, &message), ESPALIER_OK);
    ASSERT_EQ(user.queue_open(device, &queue, &message), ESPALIER_OK);
    script.calls.clear();
  }
  void TearDown() override {
    user.queue_close(queue);
    user.device_close(device);
    table->close(table->self);
  }

  Script script;
  const espalier_backend* table = table::expose(std::make_unique<ScriptedBackend>(script));
  const espalier_userspace& user = *table->userspace;
  void* device = nullptr;
  void* queue = nullptr;
  char text[64] = "";
  espalier_message message{text, sizeof(text)};
};

// ---- Each call reaches the object ---------------------------------------------------------------

TEST_F(PluginTable, SaysItsSizes) {
  EXPECT_EQ(table->struct_size, sizeof(espalier_backend));
  EXPECT_EQ(table->userspace->struct_size, sizeof(espalier_userspace));
  EXPECT_EQ(table->kernel->struct_size, sizeof(espalier_kernel));
}

TEST_F(PluginTable, ListsWhatFitsAndSaysHowManyThereAre) {
  std::vector<espalier_device_info> devices(2, sized<espalier_device_info>());
  uint32_t count = 0;
  EXPECT_EQ(table->enumerate(table->self, devices.data(), 2, &count, &message), ESPALIER_OK);
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(devices[0].id, 10u);
  EXPECT_EQ(devices[1].id, 11u);
  EXPECT_EQ(table->enumerate(table->self, nullptr, 0, &count, &message), ESPALIER_OK);
  EXPECT_EQ(count, 3u);
}

TEST_F(PluginTable, ListsCapabilitiesAndPools) {
  auto cap = sized<espalier_capability>();
  auto pool = sized<espalier_pool>();
  uint32_t count = 0;
  EXPECT_EQ(table->caps(table->self, 7, &cap, 1, &count, &message), ESPALIER_OK);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(table->pools(table->self, 8, &pool, 1, &count, &message), ESPALIER_OK);
  EXPECT_EQ(count, 2u);
  EXPECT_THAT(script.calls, ElementsAre("caps 7", "pools 8"));
}

// Who writes a backend with one device need not look at ids; what was listed once stays known,
// since a backend knows best that a device of it is lost.
TEST_F(PluginTable, RefusesDevicesThatWereNeverListed) {
  uint32_t count = 0;
  ASSERT_EQ(table->enumerate(table->self, nullptr, 0, &count, &message), ESPALIER_OK);
  script.calls.clear();
  auto cap = sized<espalier_capability>();
  auto pool = sized<espalier_pool>();
  auto health = sized<espalier_health>();
  auto sa = sized<espalier_sa>();
  auto recipe = sized<espalier_recipe>();
  void* other = nullptr;
  void* const self = table->self;
  EXPECT_EQ(table->caps(self, 9, &cap, 1, &count, &message), ESPALIER_INVALID);
  EXPECT_THAT(text, testing::HasSubstr("no device of this id"));
  EXPECT_EQ(table->pools(self, 9, &pool, 1, &count, &message), ESPALIER_INVALID);
  EXPECT_EQ(table->health(self, 9, &health), ESPALIER_INVALID);
  EXPECT_EQ(user.device_open(self, 9, &other, &message), ESPALIER_INVALID);
  EXPECT_EQ(table->kernel->recipe(self, 9, &sa, &recipe, &message), ESPALIER_INVALID);
  EXPECT_THAT(script.calls, ElementsAre()) << "the backend is not asked";
  EXPECT_EQ(table->health(self, 12, &health), ESPALIER_OK);
  EXPECT_THAT(script.calls, ElementsAre("health 12"));
}

TEST_F(PluginTable, GivesHealthAndRecipes) {
  auto health = sized<espalier_health>();
  EXPECT_EQ(table->health(table->self, 9, &health), ESPALIER_OK);
  EXPECT_EQ(health.state, static_cast<uint32_t>(ESPALIER_DEGRADED));
  EXPECT_STREQ(health.reason, "hot");
  auto sa = sized<espalier_sa>();
  sa.replay_window = 64;
  auto recipe = sized<espalier_recipe>();
  EXPECT_EQ(table->kernel->recipe(table->self, 1, &sa, &recipe, &message), ESPALIER_OK);
  EXPECT_EQ(recipe.offload, 64u);
  EXPECT_EQ(table->extension(table->self, "none"), nullptr);
}

TEST_F(PluginTable, OpensAndClosesSessions) {
  auto params = sized<espalier_session_params>();
  params.cipher = ESPALIER_CIPHER_AES_GCM;
  uint64_t session = 0;
  EXPECT_EQ(user.session_open(device, &params, &session, &message), ESPALIER_OK);
  EXPECT_EQ(session, uint64_t{ESPALIER_CIPHER_AES_GCM});
  user.session_close(device, session);
  EXPECT_THAT(script.calls, ElementsAre("session_open", "session_close 5"));
}

TEST_F(PluginTable, AttachesMemory) {
  uint64_t iova = 0;
  EXPECT_EQ(user.mem_attach(device, text, 64, &iova, &message), ESPALIER_OK);
  EXPECT_EQ(iova, 65u);
  user.mem_detach(device, text, 64);
  EXPECT_THAT(script.calls, ElementsAre("mem_attach", "mem_detach"));
}

TEST_F(PluginTable, RunsQueues) {
  espalier_op op{};
  op.status = ESPALIER_OP_PENDING;
  espalier_op* ops[] = {&op, &op};
  EXPECT_EQ(user.process(queue, ops, 2), ESPALIER_OK);
  EXPECT_EQ(op.status, ESPALIER_OP_DONE);
  EXPECT_EQ(user.submit(queue, ops, 2), 1u);
  EXPECT_EQ(user.poll(queue, ops, 2), 1u);
  EXPECT_EQ(user.queue_quiesce(queue, 5), ESPALIER_TRANSIENT);
  EXPECT_THAT(script.calls, ElementsAre("process", "submit", "poll", "quiesce 5"));
}

TEST(PluginTableLife, DestroysEachObjectOnce) {
  Script script;
  const auto* const table = table::expose(std::make_unique<ScriptedBackend>(script));
  void* device = nullptr;
  void* queue = nullptr;
  ASSERT_EQ(table->userspace->device_open(table->self, 1, &device, nullptr), ESPALIER_OK);
  ASSERT_EQ(table->userspace->queue_open(device, &queue, nullptr), ESPALIER_OK);
  table->userspace->queue_close(queue);
  table->userspace->device_close(device);
  table->close(table->self);
  EXPECT_THAT(script.calls, ElementsAre("open 1", "queue_open", "~queue", "~device", "~backend"));
}

// ---- Refusals and exceptions --------------------------------------------------------------------

TEST_F(PluginTable, CarriesARefusalAndItsWords) {
  auto params = sized<espalier_session_params>();
  uint64_t session = 0;
  EXPECT_EQ(user.session_open(device, &params, &session, &message), ESPALIER_CAPACITY);
  EXPECT_STREQ(text, "the table is full");
}

TEST_F(PluginTable, CutsWordsThatDoNotFit) {
  auto params = sized<espalier_session_params>();
  uint64_t session = 0;
  message.capacity = 10;
  user.session_open(device, &params, &session, &message);
  EXPECT_STREQ(text, "the table");
  message.capacity = 0;
  user.session_open(device, &params, &session, &message);
  user.session_open(device, &params, &session, nullptr);
  EXPECT_STREQ(text, "the table");
}

TEST_F(PluginTable, LetsNothingThrownOutOfAnyFunction) {
  auto device_info = sized<espalier_device_info>();
  auto cap = sized<espalier_capability>();
  auto pool = sized<espalier_pool>();
  auto health = sized<espalier_health>();
  auto sa = sized<espalier_sa>();
  auto recipe = sized<espalier_recipe>();
  auto params = sized<espalier_session_params>();
  uint32_t count = 0;
  uint64_t number = 0;
  void* other = nullptr;
  espalier_op op{};
  espalier_op* ops[] = {&op, &op};
  auto* const self = table->self;
  const std::function<espalier_status()> functions[] = {
      [&] { return table->enumerate(self, &device_info, 1, &count, &message); },
      [&] { return table->caps(self, 1, &cap, 1, &count, &message); },
      [&] { return table->pools(self, 1, &pool, 1, &count, &message); },
      [&] { return table->health(self, 1, &health); },
      [&] { return table->kernel->recipe(self, 1, &sa, &recipe, &message); },
      [&] { return user.device_open(self, 1, &other, &message); },
      [&] { return user.mem_attach(device, text, 1, &number, &message); },
      [&] { return user.session_open(device, &params, &number, &message); },
      [&] { return user.queue_open(device, &other, &message); },
      [&] { return user.process(queue, ops, 2); },
      [&] { return user.queue_quiesce(queue, 1); }};
  script.then = [] { throw std::runtime_error("fire"); };
  for (const auto& function : functions) EXPECT_EQ(function(), ESPALIER_LOST);
  EXPECT_STREQ(text, "fire");
  script.then = [] { throw 42; };
  for (const auto& function : functions) EXPECT_EQ(function(), ESPALIER_LOST);
  EXPECT_STREQ(text, "the backend threw something that is not a std::exception");
  script.then = [] { throw std::bad_alloc(); };
  for (const auto& function : functions) EXPECT_EQ(function(), ESPALIER_TRANSIENT);
  EXPECT_STREQ(text, "out of memory");
  script.then = [] { throw Refusal{ESPALIER_PERMISSION, "not for you"}; };
  for (const auto& function : functions) EXPECT_EQ(function(), ESPALIER_PERMISSION);
  EXPECT_STREQ(text, "not for you");
  user.session_close(device, 1);
  user.mem_detach(device, text, 1);
  EXPECT_EQ(user.poll(queue, ops, 2), 0u);
  script.then = [] {};
}

// Law 1: what the device may have taken is never sent again elsewhere.
TEST_F(PluginTable, CountsAllAsTakenWhenSubmitThrows) {
  espalier_op op{};
  espalier_op* ops[] = {&op, &op};
  script.then = [] { throw std::runtime_error("fire"); };
  EXPECT_EQ(user.submit(queue, ops, 2), 2u);
  script.then = [] {};
}

TEST_F(PluginTable, NeverCallsARefusalASuccess) {
  EXPECT_EQ(table::refuse(&message, Refusal{ESPALIER_OK, "no"}), ESPALIER_INVALID);
}

// ---- Structs of other versions ------------------------------------------------------------------

// A host of a later minor has longer entries; one of an earlier minor shorter ones.
TEST_F(PluginTable, KeepsToTheHostsDistanceBetweenEntries) {
  for (const std::size_t stride : {sizeof(espalier_device_info) + 24, std::size_t{24}}) {
    std::vector<unsigned char> memory(stride * 4, 0xee);
    const auto size = static_cast<uint32_t>(stride);
    for (int i = 0; i < 3; ++i)
      std::memcpy(memory.data() + static_cast<std::size_t>(i) * stride, &size, sizeof(size));
    std::vector<unsigned char> before = memory;
    uint32_t count = 0;
    auto* const first = reinterpret_cast<espalier_device_info*>(memory.data());
    ASSERT_EQ(table->enumerate(table->self, first, 3, &count, &message), ESPALIER_OK);
    for (std::size_t i = 0; i < 3; ++i) {
      uint64_t id = 0;
      std::memcpy(&id, memory.data() + i * stride + offsetof(espalier_device_info, id), sizeof(id));
      EXPECT_EQ(id, 10 + i);
    }
    EXPECT_TRUE(std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(3 * stride), memory.end(),
                            [](unsigned char byte) { return byte == 0xee; }))
        << "it wrote beyond the last entry";
  }
}

TEST(PluginStructs, AreCutToTheShorterSide) {
  auto out = sized<espalier_pool>();
  out.struct_size = offsetof(espalier_pool, capacity);
  out.capacity = 77;
  auto value = sized<espalier_pool>();
  value.kind = ESPALIER_POOL_SAS;
  value.capacity = 88;
  table::give(&out, value);
  EXPECT_EQ(out.kind, static_cast<uint32_t>(ESPALIER_POOL_SAS));
  EXPECT_EQ(out.capacity, 77u);
  EXPECT_EQ(out.struct_size, offsetof(espalier_pool, capacity)) << "it stays the host's";
  const auto taken = table::take(&out);
  EXPECT_EQ(taken.capacity, 0u) << "beyond what the host gave";
  EXPECT_EQ(taken.struct_size, sizeof(espalier_pool));
}

TEST(PluginText, IsCutAndTerminated) {
  char field[4] = {'x', 'x', 'x', 'x'};
  copy_text(field, "abcdef");
  EXPECT_STREQ(field, "abc");
  copy_text(field, "a");
  EXPECT_EQ(std::string(field, 4), std::string("a\0\0\0", 4));
}

// ---- Negotiation --------------------------------------------------------------------------------

class Given final : public Backend {
 public:
  Given(const espalier_host* host, std::string_view options) {
    if (host != nullptr || options != "{}") throw Refusal{ESPALIER_UNSUPPORTED, "no such card"};
  }
  Result<std::vector<espalier_device_info>> enumerate() override {
    return std::vector<espalier_device_info>{};
  }
  Result<std::vector<espalier_capability>> caps(uint64_t) override {
    return std::vector<espalier_capability>{};
  }
};

TEST(PluginNegotiation, MakesTheBackendOrSaysWhyNot) {
  const espalier_backend* backend = nullptr;
  char text[64] = "";
  espalier_message message{text, sizeof(text)};
  ASSERT_EQ(table::negotiate<Given>(nullptr, "{}", &backend, &message), ESPALIER_OK);
  backend->close(backend->self);
  EXPECT_EQ(table::negotiate<Given>(nullptr, "[]", &backend, &message), ESPALIER_UNSUPPORTED);
  EXPECT_STREQ(text, "no such card");
}

TEST(PluginNegotiation, GivesNoTableForWhatTheBackendDoesNotDo) {
  const auto* const hollow = table::expose(std::make_unique<Given>(nullptr, "{}"));
  EXPECT_EQ(hollow->userspace, nullptr) << "a device that nobody can open is found when probed";
  EXPECT_EQ(hollow->kernel, nullptr);
  hollow->close(hollow->self);
}

// What a small backend need not write.
TEST(PluginDefaults, RefuseWhatABackendDoesNotHave) {
  Given backend(nullptr, "{}");
  EXPECT_TRUE((*backend.pools(1)).empty());
  EXPECT_EQ(backend.health(1).state, static_cast<uint32_t>(ESPALIER_UP));
  EXPECT_EQ(backend.open(1).refusal().status, ESPALIER_UNSUPPORTED);
  EXPECT_EQ(backend.recipe(1, {}).refusal().status, ESPALIER_UNSUPPORTED);
  Queue queue;
  EXPECT_EQ(queue.process(nullptr, 0), ESPALIER_INVALID);
  EXPECT_EQ(queue.submit(nullptr, 0), 0u);
  EXPECT_EQ(queue.poll(nullptr, 0), 0u);
  EXPECT_EQ(queue.quiesce(0), ESPALIER_OK);
}

}  // namespace
}  // namespace espalier::sdk
