// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace espalier::test {
namespace {

constexpr std::size_t kCanary = 64;
constexpr std::uint8_t kCanaryByte = 0xa5;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

espalier_bytes view(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

std::string cipher_name(std::uint16_t cipher) {
  switch (cipher) {
    case ESPALIER_CIPHER_NULL:
      return "Null";
    case ESPALIER_CIPHER_AES_CBC:
      return "AesCbc";
    case ESPALIER_CIPHER_AES_CTR:
      return "AesCtr";
    case ESPALIER_CIPHER_3DES_CBC:
      return "TripleDesCbc";
    case ESPALIER_CIPHER_AES_GCM:
      return "AesGcm";
    case ESPALIER_CIPHER_CHACHA20_POLY1305:
      return "ChaCha20Poly1305";
    default:
      return "AesGmac";
  }
}

std::string integrity_name(std::uint16_t integrity) {
  switch (integrity) {
    case ESPALIER_INTEGRITY_HMAC_MD5:
      return "HmacMd5";
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return "HmacSha1";
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return "HmacSha256";
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return "HmacSha384";
    case ESPALIER_INTEGRITY_HMAC_SHA512:
      return "HmacSha512";
    default:
      return {};
  }
}

std::uint32_t integrity_key_bytes(std::uint16_t integrity) {
  switch (integrity) {
    case ESPALIER_INTEGRITY_HMAC_MD5:
      return 16;
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return 20;
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return 32;
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return 48;
    case ESPALIER_INTEGRITY_HMAC_SHA512:
      return 64;
    default:
      return 0;
  }
}

bool has_salt(std::uint16_t cipher) {
  return cipher == ESPALIER_CIPHER_AES_CTR || cipher == ESPALIER_CIPHER_AES_GCM ||
         cipher == ESPALIER_CIPHER_CHACHA20_POLY1305 || cipher == ESPALIER_CIPHER_AES_GMAC;
}

}  // namespace

std::uint32_t Sa::iv_bytes() const {
  if (cipher == ESPALIER_CIPHER_NULL) return 0;
  return cipher == ESPALIER_CIPHER_AES_CBC ? 16 : 8;
}

std::uint32_t Sa::block_bytes() const {
  if (cipher == ESPALIER_CIPHER_AES_CBC) return 16;
  return cipher == ESPALIER_CIPHER_3DES_CBC ? 8 : 1;
}

std::string Transform::name() const {
  const bool one_length = key_bytes == 0 || cipher == ESPALIER_CIPHER_3DES_CBC ||
                          cipher == ESPALIER_CIPHER_CHACHA20_POLY1305;
  auto text = cipher_name(cipher) + (one_length ? "" : std::to_string(8 * key_bytes)) +
              integrity_name(integrity);
  if (cipher == ESPALIER_CIPHER_AES_GCM) text += "Icv" + std::to_string(icv_bytes);
  return text;
}

std::vector<Transform> all_transforms() {
  std::vector<Transform> all = {
      {ESPALIER_CIPHER_CHACHA20_POLY1305, ESPALIER_INTEGRITY_NONE, 32, 16}};
  for (std::uint32_t key : {16U, 24U, 32U}) {
    for (std::uint32_t icv : {8U, 12U, 16U})
      all.push_back({ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, key, icv});
    all.push_back({ESPALIER_CIPHER_AES_GMAC, ESPALIER_INTEGRITY_NONE, key, 16});
  }
  const std::pair<std::uint16_t, std::uint32_t> hashes[] = {{ESPALIER_INTEGRITY_HMAC_MD5, 12},
                                                            {ESPALIER_INTEGRITY_HMAC_SHA1, 12},
                                                            {ESPALIER_INTEGRITY_HMAC_SHA256, 16},
                                                            {ESPALIER_INTEGRITY_HMAC_SHA384, 24},
                                                            {ESPALIER_INTEGRITY_HMAC_SHA512, 32}};
  for (const auto& [integrity, icv] : hashes) {
    all.push_back({ESPALIER_CIPHER_NULL, integrity, 0, icv});
    all.push_back({ESPALIER_CIPHER_3DES_CBC, integrity, 24, icv});
    for (std::uint32_t key : {16U, 24U, 32U}) {
      all.push_back({ESPALIER_CIPHER_AES_CBC, integrity, key, icv});
      all.push_back({ESPALIER_CIPHER_AES_CTR, integrity, key, icv});
    }
  }
  return all;
}

Transform transform_of(const Sa& sa) {
  return {sa.cipher, sa.integrity, static_cast<std::uint32_t>(sa.key.size()), sa.icv_bytes};
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size + 8);
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  bytes.resize(size);
  return bytes;
}

Sa random_sa(Random& random, const Transform& transform, bool esn) {
  Sa sa;
  sa.cipher = transform.cipher;
  sa.integrity = transform.integrity;
  sa.key = random_bytes(random, transform.key_bytes);
  sa.salt = random_bytes(random, has_salt(transform.cipher) ? 4 : 0);
  sa.integrity_key = random_bytes(random, integrity_key_bytes(transform.integrity));
  sa.icv_bytes = transform.icv_bytes;
  sa.esn = esn;
  return sa;
}

std::uint64_t test_seed() {
  static const std::uint64_t seed = number_from_environment("ESPALIER_TEST_SEED", 20250117);
  return seed;
}

std::uint32_t scaled(std::uint32_t n) {
  static const auto percent = number_from_environment("ESPALIER_TEST_SCALE", 100);
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, n * percent / 100));
}

// What the framework gives a backend; it watches what becomes of secret memory.
struct OpenBackend::Host {
  espalier_host table{};
  std::atomic<std::size_t> secrets{0};
  std::atomic<std::size_t> unwiped{0};
  bool exhausted = false;
  std::mutex mutex;
  std::vector<std::int32_t> events;
  espalier_host_plugins plugins{};

  static espalier_status find(void*, const char* backend, const espalier_plugin_entry** entry,
                              espalier_message*) {
    const std::string_view name = backend;
    *entry = name == "openssl"   ? &espalier_plugin_openssl
             : name == "example" ? &espalier_plugin_example
                                 : nullptr;
    return *entry == nullptr ? ESPALIER_UNSUPPORTED : ESPALIER_OK;
  }

  Host() {
    table.struct_size = sizeof table;
    table.abi_minor = ESPALIER_ABI_MINOR;
    table.context = this;
    table.log = [](void*, std::int32_t, const char*) {};
    table.monotonic_ns = [](void*) {
      return static_cast<std::uint64_t>(
          std::chrono::steady_clock::now().time_since_epoch().count());
    };
    table.secret_alloc = [](void* context, std::uint64_t size) -> void* {
      auto& host = *static_cast<Host*>(context);
      if (host.exhausted) return nullptr;
      ++host.secrets;
      return std::calloc(1, size);
    };
    table.secret_free = [](void* context, void* memory, std::uint64_t size) {
      auto& host = *static_cast<Host*>(context);
      const std::span bytes(static_cast<const std::uint8_t*>(memory), size);
      --host.secrets;
      host.unwiped += std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; });
      std::free(memory);
    };
    table.event = [](void* context, std::int32_t event, std::uint64_t) {
      auto& host = *static_cast<Host*>(context);
      const std::lock_guard lock(host.mutex);
      host.events.push_back(event);
    };
    plugins.struct_size = sizeof plugins;
    plugins.find = &find;
    table.extension = [](void* context, const char* id) -> const void* {
      const bool known = std::string_view(id) == ESPALIER_HOST_PLUGINS;
      return known ? &static_cast<Host*>(context)->plugins : nullptr;
    };
  }
};

OpenBackend::OpenBackend() : host_(std::make_unique<Host>()) {}

std::unique_ptr<OpenBackend> OpenBackend::open(const espalier_plugin_entry& entry,
                                               const std::string& options, std::string& reason) {
  std::unique_ptr<OpenBackend> opened(new OpenBackend);
  char text[256] = {};
  espalier_message message{text, sizeof text};
  std::uint32_t count = 0;
  opened->info_.struct_size = sizeof opened->info_;
  auto status =
      entry.negotiate(&opened->host_->table, options.c_str(), &opened->backend_, &message);
  if (status == ESPALIER_OK) {
    opened->table_ = opened->backend_->userspace;
    status =
        opened->backend_->enumerate(opened->backend_->self, &opened->info_, 1, &count, &message);
  }
  if (status == ESPALIER_OK)
    status = opened->table_->device_open(opened->backend_->self, opened->info_.id, &opened->device_,
                                         &message);
  if (status == ESPALIER_OK) return opened;
  reason = text;
  return nullptr;
}

OpenBackend::~OpenBackend() {
  if (queue_ != nullptr) table_->queue_close(queue_);
  if (device_ != nullptr) table_->device_close(device_);
  if (backend_ != nullptr) backend_->close(backend_->self);
}

espalier_status OpenBackend::try_session(const Sa& sa, std::uint32_t direction,
                                         std::uint64_t& session, std::string& words) {
  espalier_session_params params{};
  params.struct_size = sizeof params;
  params.cipher = sa.cipher;
  params.integrity = sa.integrity;
  params.direction = direction;
  params.icv_bytes = sa.icv_bytes;
  params.esn = sa.esn ? 1 : 0;
  params.cipher_key = view(sa.key);
  params.salt = view(sa.salt);
  params.integrity_key = view(sa.integrity_key);
  char text[256] = {};
  espalier_message message{text, sizeof text};
  const std::lock_guard lock(control_);
  const auto status = table_->session_open(device_, &params, &session, &message);
  words = text;
  return status;
}

std::uint64_t OpenBackend::session(const Sa& sa, std::uint32_t direction) {
  std::uint64_t session = 0;
  std::string words;
  if (try_session(sa, direction, session, words) != ESPALIER_OK)
    throw std::runtime_error("session refused: " + words);
  return session;
}

void OpenBackend::close(std::uint64_t session) {
  const std::lock_guard lock(control_);
  table_->session_close(device_, session);
}

void OpenBackend::process(std::span<espalier_op* const> ops) {
  if (queue_ == nullptr) queue_ = new_queue();
  if (process_on(queue_, ops) != ESPALIER_OK) throw std::runtime_error("process() failed");
}

std::uint16_t OpenBackend::process(espalier_op& op) {
  espalier_op* const one = &op;
  process(std::span(&one, 1));
  return op.status;
}

void* OpenBackend::new_queue() {
  void* queue = nullptr;
  char text[256] = {};
  espalier_message message{text, sizeof text};
  const std::lock_guard lock(control_);
  if (table_->queue_open(device_, &queue, &message) != ESPALIER_OK) throw std::runtime_error(text);
  return queue;
}

void OpenBackend::close_queue(void* queue) {
  const std::lock_guard lock(control_);
  table_->queue_close(queue);
}

// The packets of some ops, made known to the device while this lives, and nothing beside them.
struct OpenBackend::Attached {
  Attached(OpenBackend& opened, std::span<espalier_op* const> ops) : backend(opened) {
    const std::lock_guard lock(backend.control_);
    for (espalier_op* op : ops) {
      op->iova = attach(op->esp, op->length);
      if (op->dst != nullptr) op->dst_iova = attach(op->dst, op->length);
    }
  }
  ~Attached() {
    const std::lock_guard lock(backend.control_);
    for (const auto& packet : packets)
      backend.table_->mem_detach(backend.device_, packet.data(), packet.size());
  }
  std::uint64_t attach(std::uint8_t* packet, std::uint32_t length) {
    std::uint64_t iova = 0;
    char text[256] = {};
    espalier_message message{text, sizeof text};
    if (backend.table_->mem_attach(backend.device_, packet, length, &iova, &message) != ESPALIER_OK)
      throw std::runtime_error(text);
    packets.emplace_back(packet, length);
    return iova;
  }

  OpenBackend& backend;
  std::vector<std::span<std::uint8_t>> packets;
};

espalier_status OpenBackend::process_on(void* queue, std::span<espalier_op* const> ops) {
  if ((info_.flags & ESPALIER_DEVICE_ASYNC) == 0)
    return table_->process(queue, ops.data(), static_cast<std::uint32_t>(ops.size()));
  if ((info_.flags & ESPALIER_DEVICE_NEEDS_DMA) == 0) return submit_and_poll(queue, ops);
  const Attached attached(*this, ops);
  return submit_and_poll(queue, ops);
}

espalier_status OpenBackend::submit_and_poll(void* queue, std::span<espalier_op* const> ops) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::set<const espalier_op*> out;
  std::vector<espalier_op*> polled(ops.size());
  do {
    const auto rest = static_cast<std::uint32_t>(ops.size());
    const auto taken = table_->submit(queue, ops.data(), rest);
    if (taken > rest) throw std::runtime_error("it took more ops than it was given");
    out.insert(ops.begin(), ops.begin() + taken);
    ops = ops.subspan(taken);
    const auto n = table_->poll(queue, polled.data(), static_cast<std::uint32_t>(polled.size()));
    for (std::uint32_t i = 0; i < n; ++i) {
      if (out.erase(polled[i]) != 1) throw std::runtime_error("it gave back what it did not have");
      if (polled[i]->status == ESPALIER_OP_PENDING) throw std::runtime_error("it set no status");
    }
    if (n == 0) std::this_thread::yield();
    if (std::chrono::steady_clock::now() > deadline) return ESPALIER_LOST;
  } while (!ops.empty() || !out.empty());
  return ESPALIER_OK;
}

// A list of the ABI, read by call(list, capacity, count, message).
template <class T, class Call>
std::vector<T> read_list(Call&& call) {
  T empty{};
  empty.struct_size = sizeof empty;
  std::vector<T> list(256, empty);
  std::uint32_t count = 0;
  char text[256] = {};
  espalier_message message{text, sizeof text};
  if (call(list.data(), 256U, &count, &message) != ESPALIER_OK) throw std::runtime_error(text);
  list.resize(count);
  return list;
}

std::vector<espalier_capability> OpenBackend::caps() {
  return read_list<espalier_capability>(
      [&](auto... list) { return backend_->caps(backend_->self, info_.id, list...); });
}

std::vector<espalier_pool> OpenBackend::pools() {
  return read_list<espalier_pool>(
      [&](auto... list) { return backend_->pools(backend_->self, info_.id, list...); });
}

espalier_health OpenBackend::health() {
  espalier_health health{};
  health.struct_size = sizeof health;
  if (backend_->health(backend_->self, info_.id, &health) != ESPALIER_OK)
    throw std::runtime_error("no health");
  return health;
}

std::vector<std::int32_t> OpenBackend::events() const {
  const std::lock_guard lock(host_->mutex);
  return host_->events;
}

std::size_t OpenBackend::secrets_held() const { return host_->secrets; }
std::size_t OpenBackend::secrets_returned_unwiped() const { return host_->unwiped; }
void OpenBackend::exhaust_secrets() { host_->exhausted = true; }

// Left to OpenSSL: all that the example's card does not do; 3DES where ipsec-mb has no lanes for
// it, and what SSE's two lanes of SHA-512 make no faster.
bool Candidate::does(const Transform& transform) const {
  if (is_example())
    return transform.key_bytes != 24 && transform.icv_bytes == 16 &&
           (transform.cipher == ESPALIER_CIPHER_AES_GCM ||
            (transform.cipher == ESPALIER_CIPHER_AES_CBC &&
             transform.integrity == ESPALIER_INTEGRITY_HMAC_SHA256));
  const bool des3 = transform.cipher == ESPALIER_CIPHER_3DES_CBC;
  const bool sha512 = transform.integrity == ESPALIER_INTEGRITY_HMAC_SHA384 ||
                      transform.integrity == ESPALIER_INTEGRITY_HMAC_SHA512;
  switch (reach) {
    case Reach::avx2:
      return !des3;
    case Reach::sse:
      return !des3 && !(sha512 && transform.cipher != ESPALIER_CIPHER_AES_CBC);
    default:
      return true;
  }
}

std::vector<Transform> Candidate::transforms() const {
  auto all = all_transforms();
  std::erase_if(all, [this](const Transform& t) { return !does(t); });
  return all;
}

std::vector<Candidate> candidates() {
  const auto reach_of = [](const OpenBackend& aesni) {
    const std::string_view path = aesni.info().description;
    return path.contains("AVX-512") ? Candidate::Reach::avx512
           : path.contains("AVX2")  ? Candidate::Reach::avx2
                                    : Candidate::Reach::sse;
  };
  // With a table of SAs that is large enough for what the tests open at a time.
  std::vector<Candidate> all = {
      {"openssl", &espalier_plugin_openssl, "{}"},
      {"fault", &espalier_plugin_fault, R"({"backend": "openssl", "order": "random", "seed": 3})"},
      {"example", &espalier_plugin_example, R"({"sas": 512, "latency_us": 20})",
       Candidate::Reach::card}};
  std::string reason;
  const auto by_itself = OpenBackend::open(espalier_plugin_aesni, "{}", reason);
  if (!by_itself) return all;
  all.push_back({"aesni", &espalier_plugin_aesni, "{}", reach_of(*by_itself)});
  for (const std::string path : {"sse", "avx2", "avx512"}) {
    const auto options = R"({"path": ")" + path + R"("})";
    const auto forced = OpenBackend::open(espalier_plugin_aesni, options, reason);
    const bool another =
        forced && std::string_view(forced->info().description) != by_itself->info().description;
    if (another)
      all.push_back({"aesni_" + path, &espalier_plugin_aesni, options, reach_of(*forced)});
  }
  return all;
}

Buffer::Buffer(std::size_t size, std::size_t alignment_offset)
    : size_(size), before_(0), memory_(size + 2 * kCanary + 128, kCanaryByte) {
  const auto start = reinterpret_cast<std::uintptr_t>(memory_.data()) + kCanary;
  const auto aligned = (start + 63) / 64 * 64 + alignment_offset % 64;
  before_ = kCanary + static_cast<std::size_t>(aligned - start);
}

bool Buffer::canaries_intact() const {
  const auto is_canary = [](std::uint8_t byte) { return byte == kCanaryByte; };
  const auto packet = memory_.begin() + static_cast<std::ptrdiff_t>(before_);
  return std::all_of(memory_.begin(), packet, is_canary) &&
         std::all_of(packet + static_cast<std::ptrdiff_t>(size_), memory_.end(), is_canary);
}

espalier_op make_op(std::uint64_t session, const Sa& sa, std::uint8_t* esp, std::uint32_t length,
                    std::uint32_t seq_hi) {
  espalier_op op{};
  op.session = session;
  op.esp = esp;
  op.length = length;
  op.icv_offset = length - sa.icv_bytes;
  op.seq_hi = seq_hi;
  op.status = ESPALIER_OP_PENDING;
  op.cookie = 0x0123456789abcdef;
  return op;
}

}  // namespace espalier::test
