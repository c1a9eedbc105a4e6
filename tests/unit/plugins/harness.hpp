// SPDX-License-Identifier: Apache-2.0
//
// Drives a backend through its C table alone, as the framework does, without the framework.
#pragma once

#include <espalier/abi.h>
#include <espalier/extensions.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "vectors.hpp"

extern "C" {
extern const espalier_plugin_entry espalier_plugin_openssl;
extern const espalier_plugin_entry espalier_plugin_aesni;
extern const espalier_plugin_entry espalier_plugin_example;
extern const espalier_plugin_entry espalier_plugin_example_c;
extern const espalier_plugin_entry espalier_plugin_fault;
}

namespace espalier::test {

// Everything about a session but its direction.
struct Sa {
  std::uint16_t cipher = ESPALIER_CIPHER_AES_GCM;
  std::uint16_t integrity = ESPALIER_INTEGRITY_NONE;
  Bytes key;
  Bytes salt;
  Bytes integrity_key;
  std::uint32_t icv_bytes = 16;
  bool esn = false;

  std::uint32_t iv_bytes() const;
  std::uint32_t block_bytes() const;
  std::uint32_t payload_offset() const { return 8 + iv_bytes(); }
};

// A transform with its lengths, from which SAs with random keys are made.
struct Transform {
  std::uint16_t cipher;
  std::uint16_t integrity;
  std::uint32_t key_bytes;
  std::uint32_t icv_bytes;

  std::string name() const;  // "AesCbc256HmacSha384"
};

std::vector<Transform> all_transforms();
Transform transform_of(const Sa& sa);

using Random = std::mt19937_64;
Bytes random_bytes(Random& random, std::size_t size);
Sa random_sa(Random& random, const Transform& transform, bool esn);

// Seed of this run: ESPALIER_TEST_SEED, else fixed. Tests name it when they fail.
std::uint64_t test_seed();
// How many of n repetitions to do: ESPALIER_TEST_SCALE percent of them, all by default.
std::uint32_t scaled(std::uint32_t n);

// An open device of a backend, with one queue from the first process(). Owns both; sessions are
// closed by hand. process() completes all ops, whether the device is synchronous or not, and
// attaches just their packets where it needs that. Control calls may come from any thread.
class OpenBackend {
 public:
  // The reason why it cannot be opened, if it cannot (a code path that this CPU does not have).
  static std::unique_ptr<OpenBackend> open(const espalier_plugin_entry& entry,
                                           const std::string& options, std::string& reason);
  ~OpenBackend();
  OpenBackend(const OpenBackend&) = delete;
  OpenBackend& operator=(const OpenBackend&) = delete;

  espalier_status try_session(const Sa& sa, std::uint32_t direction, std::uint64_t& session,
                              std::string& words);
  std::uint64_t session(const Sa& sa, std::uint32_t direction);  // throws when refused
  void close(std::uint64_t session);
  // Throws when not OK; so does an asynchronous device that breaks a rule of submit and poll.
  void process(std::span<espalier_op* const> ops);
  std::uint16_t process(espalier_op& op);

  void* new_queue();  // for another thread
  void close_queue(void* queue);
  espalier_status process_on(void* queue, std::span<espalier_op* const> ops);

  const espalier_device_info& info() const { return info_; }
  const espalier_backend& backend() const { return *backend_; }
  const espalier_userspace& table() const { return *table_; }
  void* device() const { return device_; }
  std::vector<espalier_capability> caps();
  std::vector<espalier_pool> pools();
  espalier_health health();
  std::vector<std::int32_t> events() const;  // ESPALIER_EVENT_*, in order
  std::size_t secrets_held() const;          // allocations of secret memory not yet given back
  std::size_t secrets_returned_unwiped() const;
  void exhaust_secrets();  // from here on there is no locked memory left

 private:
  OpenBackend();
  struct Host;
  struct Attached;
  espalier_status submit_and_poll(void* queue, std::span<espalier_op* const> ops);

  std::unique_ptr<Host> host_;
  std::mutex control_;  // abi.h: [control] calls come one at a time
  const espalier_backend* backend_ = nullptr;
  const espalier_userspace* table_ = nullptr;
  espalier_device_info info_{};
  void* device_ = nullptr;
  void* queue_ = nullptr;
};

// The backends under test: openssl, openssl under the decorator of faults (which has none planned,
// and is asynchronous), aesni, aesni on the other code paths that this CPU has, and the SDK's
// example, which is asynchronous and needs DMA.
struct Candidate {
  std::string name;  // "openssl", "fault", "aesni", "aesni_sse", "example", ...
  const espalier_plugin_entry* entry;
  std::string options;
  enum class Reach : std::uint8_t { all, avx512, avx2, sse, card } reach = Reach::all;

  bool is_openssl() const { return name == "openssl" || name == "fault"; }
  bool is_example() const { return reach == Reach::card; }
  bool does(const Transform& transform) const;  // must, or else must refuse
  std::vector<Transform> transforms() const;    // that it does

  friend void PrintTo(const Candidate& c, std::ostream* out) { *out << c.name; }
};
std::vector<Candidate> candidates();

// A packet in a buffer, with canaries around it, at a chosen alignment.
class Buffer {
 public:
  Buffer(std::size_t size, std::size_t alignment_offset);
  std::uint8_t* data() { return memory_.data() + before_; }
  std::size_t size() const { return size_; }
  bool canaries_intact() const;

 private:
  std::size_t size_;
  std::size_t before_;
  Bytes memory_;
};

espalier_op make_op(std::uint64_t session, const Sa& sa, std::uint8_t* esp, std::uint32_t length,
                    std::uint32_t seq_hi = 0);

}  // namespace espalier::test
