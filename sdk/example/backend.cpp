// SPDX-License-Identifier: Apache-2.0
//
// An example of a backend, to be copied: the driver of a lookaside card with two queues of 64 ops
// and room for 16 SAs. The card itself is simulated (card/). What a driver must get right and is
// easily got wrong is marked "Rule:"; the contract is in espalier/abi.h.
#include <espalier/esp_op.hpp>
#include <espalier/plugin.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "card/card.hpp"

namespace {

namespace sdk = espalier::sdk;

constexpr uint64_t kCard = 1;  // its id; 2 when it was lost and is back, and so on

// ---- Sessions: an SA on the card ----------------------------------------------------------------

// Secret memory of the host with the keys that the card reads. Wiped when it goes.
class SecretKeys {
 public:
  explicit SecretKeys(const espalier_host& host)
      : host_(host), block_(host.secret_alloc(host.context, sizeof(card::KeyBlock))) {}
  ~SecretKeys() {
    if (block_ == nullptr) return;
    sdk::wipe(block_, sizeof(card::KeyBlock));
    host_.secret_free(host_.context, block_, sizeof(card::KeyBlock));
  }
  SecretKeys(const SecretKeys&) = delete;
  SecretKeys& operator=(const SecretKeys&) = delete;

  card::KeyBlock* get() const { return static_cast<card::KeyBlock*>(block_); }

 private:
  const espalier_host& host_;
  void* block_;
};

// What a queue needs of a session is in the session itself, so that no packet looks anything up.
struct Session {
  Session(const espalier_host& host, const sdk::EspShape& its_shape)
      : shape(its_shape), keys(host) {}

  sdk::EspShape shape;
  uint32_t sa = 0;  // where the card has it
  SecretKeys keys;
};

std::optional<card::Suite> suite_of(const espalier_session_params& p) {
  const bool has_key = p.cipher_key.size == 16 || p.cipher_key.size == 32;
  if (p.cipher == ESPALIER_CIPHER_AES_GCM && has_key && p.icv_bytes == 16) return card::Suite::gcm;
  if (p.cipher == ESPALIER_CIPHER_AES_CBC && has_key &&
      p.integrity == ESPALIER_INTEGRITY_HMAC_SHA256 && p.integrity_key.size == 32)
    return card::Suite::cbc_sha256;
  return std::nullopt;
}

void copy(uint8_t* to, espalier_bytes from) {
  if (from.size != 0) std::memcpy(to, from.data, from.size);
}

void fill(card::KeyBlock& keys, card::Suite suite, const espalier_session_params& p) {
  keys.suite = suite;
  keys.inbound = p.direction == ESPALIER_INBOUND;
  keys.esn = p.esn == 1;
  keys.cipher_key_bytes = static_cast<uint8_t>(p.cipher_key.size);
  copy(keys.cipher_key, p.cipher_key);
  copy(keys.salt, p.salt);
  copy(keys.integrity_key, p.integrity_key);
}

// ---- A queue ------------------------------------------------------------------------------------

class CardQueue final : public sdk::Queue {
 public:
  CardQueue(std::shared_ptr<card::Card> card, uint32_t queue)
      : card_(std::move(card)), queue_(queue) {
    forget_all();
  }
  ~CardQueue() override { card_->free_queue(queue_); }

  // Rule: take ops from the front only, and none of those that are not taken.
  uint32_t submit(espalier_op* const* ops, uint32_t n) override {
    uint32_t taken = 0;
    while (taken < n && free_ != 0 && card_->present() && take(*ops[taken])) ++taken;
    return taken;
  }

  // Rule: an op goes back once, and with a status that was set here.
  uint32_t poll(espalier_op** ops, uint32_t n) override {
    uint32_t given = 0;
    while (given < n && unfit_ != 0)
      ops[given++] = give_back(unfit_tags_[--unfit_], ESPALIER_OP_FAILED);
    while (given < n) {
      const auto completion = card_->completion(queue_);
      if (!completion) break;
      espalier_op* const op = give_back(completion->tag, status_of(completion->code));
      if (op != nullptr) ops[given++] = op;
    }
    return given;
  }

  // Rule: say OK only when the card can touch no packet any more; what was in flight is dropped.
  espalier_status quiesce(uint64_t deadline_ns) override {
    const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
    if (!card_->abort(queue_, deadline)) return ESPALIER_TRANSIENT;
    forget_all();
    return ESPALIER_OK;
  }

 private:
  static uint16_t status_of(card::Code code) {
    if (code == card::Code::done) return ESPALIER_OP_DONE;
    return code == card::Code::bad_icv ? ESPALIER_OP_BAD_ICV : ESPALIER_OP_FAILED;
  }

  // Rule: the card sees no op that is no packet of its session; it fails with the next poll.
  bool take(espalier_op& op) {
    const uint16_t tag = free_tags_[free_ - 1];
    const auto* session = reinterpret_cast<const Session*>(op.session);
    if (session == nullptr || !sdk::fits(session->shape, op)) {
      unfit_tags_[unfit_++] = tag;
    } else {
      const uint64_t to = sdk::in_place(op) ? op.iova : op.dst_iova;
      if (!card_->post(queue_,
                       {tag, session->sa, op.iova, to, op.length, op.icv_offset, op.seq_hi}))
        return false;
    }
    --free_;
    taken_[tag] = &op;
    return true;
  }

  // Rule: believe the card once. A tag that is not out belongs to no op of ours.
  espalier_op* give_back(uint16_t tag, uint16_t status) {
    espalier_op* const op = tag < card::kDepth ? std::exchange(taken_[tag], nullptr) : nullptr;
    if (op == nullptr) return nullptr;
    free_tags_[free_++] = tag;
    op->status = status;
    return op;
  }

  void forget_all() {
    taken_.fill(nullptr);
    for (free_ = 0; free_ < card::kDepth; ++free_) free_tags_[free_] = static_cast<uint16_t>(free_);
    unfit_ = 0;
  }

  std::shared_ptr<card::Card> card_;
  uint32_t queue_;
  std::array<espalier_op*, card::kDepth> taken_;  // by tag
  std::array<uint16_t, card::kDepth> free_tags_;
  std::array<uint16_t, card::kDepth> unfit_tags_;  // of ops that the card did not get to see
  uint32_t free_ = 0, unfit_ = 0;
};

// ---- The open device ----------------------------------------------------------------------------

class CardDevice final : public sdk::Device {
 public:
  CardDevice(const espalier_host& host, std::shared_ptr<card::Card> card)
      : host_(host), card_(std::move(card)) {}

  // Rule: the class of a refusal says what helps. UNSUPPORTED: never; CAPACITY: when another SA
  // has gone; LOST: not on this device.
  sdk::Result<uint64_t> session_open(const espalier_session_params& params) override {
    auto shape = sdk::shape_of(params);
    if (!shape) return shape.refusal();
    const auto suite = suite_of(params);
    if (!suite)
      return sdk::Refusal{
          ESPALIER_UNSUPPORTED,
          "the card does AES-GCM with an ICV of 16 bytes and AES-CBC with "
          "HMAC-SHA256, keys of 128 and 256 bits; the openssl backend does the rest"};
    auto session = std::make_unique<Session>(host_, *shape);
    if (session->keys.get() == nullptr)
      return sdk::Refusal{ESPALIER_CAPACITY,
                          "no locked memory is left for keys: raise RLIMIT_MEMLOCK"};
    fill(*session->keys.get(), *suite, params);
    const auto sa = card_->load(session->keys.get());
    if (!sa) return card_->present() ? full("SA table") : gone();
    session->sa = *sa;
    return reinterpret_cast<uint64_t>(session.release());
  }

  void session_close(uint64_t handle) override {
    const std::unique_ptr<Session> session(reinterpret_cast<Session*>(handle));
    card_->unload(session->sa);  // before its keys go
  }

  sdk::Result<std::unique_ptr<sdk::Queue>> queue_open() override {
    const auto queue = card_->take_queue();
    if (!queue) return card_->present() ? full("last queue") : gone();
    return std::make_unique<CardQueue>(card_, *queue);
  }

  sdk::Result<uint64_t> mem_attach(void* base, uint64_t size) override {
    return card_->map(base, size);
  }
  void mem_detach(void* base, uint64_t size) override { card_->unmap(base, size); }

 private:
  static sdk::Refusal full(const char* what) {
    return {ESPALIER_CAPACITY, std::string("the card's ") + what + " is taken"};
  }
  static sdk::Refusal gone() { return {ESPALIER_LOST, "the card was pulled out"}; }

  const espalier_host& host_;
  std::shared_ptr<card::Card> card_;
};

// ---- The backend --------------------------------------------------------------------------------

// Rule: an option that is not known is refused, not passed over: it is a slip of somebody's pen.
card::Straps read_options(std::string_view options) {
  const auto refuse = [](const std::string& words) {
    throw sdk::Refusal{ESPALIER_INVALID, "options of the example backend: " + words};
  };
  card::Straps straps;
  const auto table = nlohmann::json::parse(options, nullptr, false);
  if (!table.is_object()) refuse("no JSON object");
  for (const auto& [key, value] : table.items()) {
    if (!value.is_number_unsigned() || value > 1'000'000'000) {
      refuse(key + " must be a whole number of 0 to 1000000000");
    }
    const auto number = value.get<uint32_t>();
    if (key == "sas")
      straps.sas = number;
    else if (key == "latency_us")
      straps.latency = std::chrono::microseconds(number);
    else if (key == "seed")
      straps.seed = number;
    else if (key == "hot_at")
      straps.hot_at = number;
    else if (key == "unplug_at")
      straps.unplug_at = number;
    else if (key == "back_after_ms")
      straps.back_after = std::chrono::milliseconds(number);
    else
      refuse(key +
             " is not known; known are sas, latency_us, seed, hot_at, unplug_at and back_after_ms");
  }
  return straps;
}

espalier_pool pool(uint32_t kind, const char* name, uint32_t capacity, uint32_t used) {
  auto pool = sdk::sized<espalier_pool>();
  pool.kind = kind;
  pool.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;  // they share it
  pool.use = ESPALIER_USE_LIVE;                            // read off the card, not counted here
  pool.capacity = capacity;
  pool.used = used;
  sdk::copy_text(pool.name, name);
  return pool;
}

class ExampleBackend final : public sdk::Backend {
 public:
  ExampleBackend(const espalier_host* host, std::string_view options)
      : host_(*host), straps_(read_options(options)) {
    insert();
  }

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    const Slot slot = look();
    if (!slot.card->present()) return std::vector<espalier_device_info>{};
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_USERSPACE;
    info.id = slot.id;
    info.flags = ESPALIER_DEVICE_ASYNC | ESPALIER_DEVICE_NEEDS_DMA;
    info.numa_node = -1;
    sdk::copy_text(info.name, "card0");
    sdk::copy_text(info.description, "simulated lookaside card, 2 queues of 64");
    return std::vector<espalier_device_info>{info};
  }

  sdk::Result<std::vector<espalier_capability>> caps(uint64_t id) override {
    if (const Slot slot = look(); id != slot.id) return no_such_device(id, slot.id);
    constexpr uint32_t keys = ESPALIER_KEY_128 | ESPALIER_KEY_256;
    constexpr uint32_t score = 150;
    return std::vector<espalier_capability>{
        sdk::esp_capability(ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, keys,
                            ESPALIER_ICV(16), score),
        sdk::esp_capability(ESPALIER_CIPHER_AES_CBC, ESPALIER_INTEGRITY_HMAC_SHA256, keys,
                            ESPALIER_ICV(16), score)};
  }

  sdk::Result<std::vector<espalier_pool>> pools(uint64_t id) override {
    const Slot slot = look();
    if (id != slot.id) return no_such_device(id, slot.id);
    return std::vector<espalier_pool>{
        pool(ESPALIER_POOL_SAS, "sas", straps_.sas, slot.card->sas_used()),
        pool(ESPALIER_POOL_QUEUES, "queues", card::kQueues, slot.card->queues_used())};
  }

  espalier_health health(uint64_t id) override {
    const Slot slot = look();
    const bool gone = id != slot.id || !slot.card->present();
    auto health = sdk::sized<espalier_health>();
    health.state = gone ? ESPALIER_GONE : slot.card->hot() ? ESPALIER_DEGRADED : ESPALIER_UP;
    if (gone)
      sdk::copy_text(health.reason, "the card was pulled out");
    else if (slot.card->hot())
      sdk::copy_text(health.reason, "the card is hot and throttles");
    return health;
  }

  sdk::Result<std::unique_ptr<sdk::Device>> open(uint64_t id) override {
    const Slot slot = look();
    if (id != slot.id) return no_such_device(id, slot.id);
    if (!slot.card->present()) return sdk::Refusal{ESPALIER_LOST, "the card was pulled out"};
    return std::make_unique<CardDevice>(host_, slot.card);
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot {
    uint64_t id;
    std::shared_ptr<card::Card> card;
  };

  // Rule: a device that is back is another one. What was open before keeps the old one, and stays
  // dead with it.
  Slot look() {
    bool is_new = false;
    Slot slot;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!slot_.card->present()) {
        if (!missed_since_) missed_since_ = Clock::now();
        is_new =
            straps_.back_after.count() != 0 && Clock::now() >= *missed_since_ + straps_.back_after;
      }
      if (is_new) {
        straps_.unplug_at = 0;
        insert();
      }
      slot = slot_;
    }
    if (is_new) host_.event(host_.context, ESPALIER_EVENT_DEVICE_ADDED, slot.id);
    return slot;
  }

  void insert() {
    missed_since_.reset();
    const uint64_t id = slot_.card ? slot_.id + 1 : kCard;
    slot_ = {id, std::make_shared<card::Card>(straps_, [this, id] {
               host_.event(host_.context, ESPALIER_EVENT_DEVICE_LOST, id);
             })};
  }

  static sdk::Refusal no_such_device(uint64_t id, uint64_t now) {
    if (id >= kCard && id < now) return {ESPALIER_LOST, "the card was pulled out"};
    return {ESPALIER_INVALID, "the example backend has one device"};
  }

  const espalier_host& host_;
  card::Straps straps_;
  std::mutex mutex_;  // of what follows: health() may be asked by any thread
  Slot slot_{};
  std::optional<Clock::time_point> missed_since_;
};

}  // namespace

ESPALIER_PLUGIN_ENTRY(ExampleBackend)
