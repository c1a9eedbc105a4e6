// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds a packet of process(), in bursts of 32, for both backends, at 64, 512 and 1420 bytes
// of payload.
//   bench_backends                  AES-256-GCM beside the bare call of intel-ipsec-mb that aesni
//   ends
//                                   in, then what the next two say
//   bench_backends --scores [PATH]  every transform, and the score of aesni that follows
//   bench_backends --sharing        32 SAs with a packet each in a burst beside one SA with 32
//   bench_backends --sas N          AES-256-GCM over N sessions and buffers, beyond the caches
// Lines that start with '{' are for tests/bench/run.
// Of many short samples the first decile is taken: what the machine does beside only adds time.
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "harness.hpp"

namespace espalier::test {
namespace {

constexpr std::uint32_t kBurst = 32;
constexpr std::uint32_t kSizes[] = {64, 512, 1420};

using Clock = std::chrono::steady_clock;

template <class Body>
double nanoseconds_a_packet(Body&& body) {
  std::array<double, 1500> samples;
  for (double& sample : samples) {
    const auto start = Clock::now();
    body();
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    sample = took.count() / kBurst;
  }
  const auto decile = samples.begin() + samples.size() / 10;
  std::ranges::nth_element(samples, decile);
  return *decile;
}

// Packets of `sessions` SAs. Inbound they are opened out of place, so that they stay sealed.
class Load {
 public:
  Load(OpenBackend& backend, const Transform& transform, std::uint32_t direction,
       std::uint32_t payload, std::uint32_t sessions)
      : backend_(backend) {
    Random random(1);
    const auto packets = std::max(kBurst, sessions);
    for (std::uint32_t i = 0; i < sessions; ++i) {
      sas_.push_back(random_sa(random, transform, false));
      sessions_.push_back(backend.session(sas_[i], direction));
    }
    const Sa& any = sas_.front();
    const auto length =
        any.payload_offset() + payload / any.block_bytes() * any.block_bytes() + any.icv_bytes;
    for (std::uint32_t i = 0; i < packets; ++i) {
      packets_.push_back(random_bytes(random, length));
      opened_.emplace_back(direction == ESPALIER_INBOUND ? length : 0);
    }
    for (std::uint32_t i = 0; i < packets; ++i) {
      const auto& sa = sas_[i % sessions];
      ops_.push_back(make_op(sessions_[i % sessions], sa, packets_[i].data(), length));
      if (direction == ESPALIER_INBOUND) seal(sa, i, length);
    }
    for (auto& op : ops_) pointers_.push_back(&op);
  }
  ~Load() {
    for (const auto session : sessions_) backend_.close(session);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  double measure() {
    std::size_t at = 0;
    const auto time = nanoseconds_a_packet([&] {
      backend_.process(std::span(pointers_).subspan(at, kBurst));
      at = at + 2 * kBurst <= pointers_.size() ? at + kBurst : 0;
    });
    for (std::size_t i = 0; i < kBurst; ++i) {
      if (ops_[i].status != ESPALIER_OP_DONE) std::abort();
    }
    return time;
  }

 private:
  void seal(const Sa& sa, std::uint32_t i, std::uint32_t length) {
    const auto session = backend_.session(sa, ESPALIER_OUTBOUND);
    auto op = make_op(session, sa, packets_[i].data(), length);
    backend_.process(op);
    backend_.close(session);
    ops_[i].dst = opened_[i].data();
  }

  OpenBackend& backend_;
  std::vector<Sa> sas_;
  std::vector<std::uint64_t> sessions_;
  std::vector<Bytes> packets_, opened_;
  std::vector<espalier_op> ops_;
  std::vector<espalier_op*> pointers_;
};

double bare_gcm(std::uint32_t payload, bool decrypt) {
  IMB_MGR* manager = alloc_mb_mgr(0);
  init_mb_mgr_auto(manager, nullptr);
  alignas(64) gcm_key_data keys;
  gcm_context_data context;
  const std::uint8_t key[32] = {1};
  alignas(16) std::uint8_t iv[16] = {2};
  alignas(16) std::uint8_t tag[16];
  manager->gcm256_pre(key, &keys);
  const auto crypt = decrypt ? manager->gcm256_dec : manager->gcm256_enc;
  std::vector<Bytes> packets(kBurst, Bytes(payload + 32));
  std::vector<Bytes> opened(kBurst, Bytes(payload + 32));
  const auto time = nanoseconds_a_packet([&] {
    for (std::uint32_t i = 0; i < kBurst; ++i) {
      std::uint8_t* const packet = packets[i].data();
      std::uint8_t* const out = decrypt ? opened[i].data() : packet;
      crypt(&keys, &context, out + 16, packet + 16, payload, iv, packet, 8,
            decrypt ? tag : packet + 16 + payload, 16);
    }
  });
  free_mb_mgr(manager);
  return time;
}

std::unique_ptr<OpenBackend> opened(const espalier_plugin_entry& entry,
                                    const std::string& options = "{}") {
  std::string reason;
  auto backend = OpenBackend::open(entry, options, reason);
  if (backend) return backend;
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(1);
}

int gcm_table(OpenBackend& aesni, OpenBackend& openssl, std::uint32_t sessions) {
  const Transform gcm{ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, 32, 16};
  std::printf("AES-256-GCM, burst %u, %u sessions, ns a packet\n", kBurst, sessions);
  std::printf("%-9s %8s %10s %10s %10s %12s\n", "", "payload", "bare", "aesni", "openssl",
              "aesni Gbit/s");
  bool faster = true;
  for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
    const bool inbound = direction == ESPALIER_INBOUND;
    for (const auto payload : kSizes) {
      const double bare = bare_gcm(payload, inbound);
      const double ours = Load(aesni, gcm, direction, payload, sessions).measure();
      const double theirs = Load(openssl, gcm, direction, payload, sessions).measure();
      faster = faster && ours < theirs;
      std::printf("%-9s %8u %10.1f %10.1f %10.1f %12.1f\n", inbound ? "inbound" : "outbound",
                  payload, bare, ours, theirs, payload * 8 / ours);
      std::printf(
          "{\"direction\": \"%s\", \"payload\": %u, \"bare_ns\": %.1f, \"aesni_ns\": %.1f, "
          "\"openssl_ns\": %.1f}\n",
          inbound ? "inbound" : "outbound", payload, bare, ours, theirs);
    }
  }
  std::printf("aesni faster than openssl at every size: %s\n", faster ? "yes" : "NO");
  return faster ? 0 : 1;
}

bool does(OpenBackend& backend, const Transform& transform) {
  Random random(1);
  std::uint64_t session = 0;
  std::string words;
  if (backend.try_session(random_sa(random, transform, false), ESPALIER_OUTBOUND, session, words) !=
      ESPALIER_OK)
    return false;
  backend.close(session);
  return true;
}

double both_ways(OpenBackend& backend, const Transform& transform, std::uint32_t payload,
                 std::uint32_t sessions) {
  double time = 0;
  for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
    time += Load(backend, transform, direction, payload, sessions).measure() / 2;
  return time;
}

void score_table(OpenBackend& aesni, OpenBackend& openssl) {
  std::printf("%-26s", "ns a packet, both ways");
  for (const auto payload : kSizes) std::printf("  openssl   aesni at %-4u", payload);
  std::printf("   score\n");
  for (const auto& transform : all_transforms()) {
    const bool on_aesni = does(aesni, transform);
    double product = 1;
    std::printf("%-26s", transform.name().c_str());
    for (const auto payload : kSizes) {
      const double theirs = both_ways(openssl, transform, payload, 1);
      const double ours = on_aesni ? both_ways(aesni, transform, payload, 1) : 0;
      if (on_aesni)
        std::printf(" %8.1f %8.1f (%4.1f)", theirs, ours, theirs / ours);
      else
        std::printf(" %8.1f %8s       ", theirs, "-");
      product *= on_aesni ? theirs / ours : 0;
    }
    std::printf("   %5.0f\n", 100 * std::cbrt(product));
    if (on_aesni)
      std::printf("{\"transform\": \"%s\", \"score\": %.0f}\n", transform.name().c_str(),
                  100 * std::cbrt(product));
  }
}

// Lanes are shared by the packets of a burst, whichever SA they belong to.
void sharing_table(OpenBackend& aesni) {
  std::printf("%-26s %8s %14s %14s\n", "aesni, ns a packet", "payload", "one SA of 32",
              "32 SAs of 1");
  for (const auto& transform : all_transforms()) {
    const bool shown = transform.cipher == ESPALIER_CIPHER_AES_CBC && transform.key_bytes == 16;
    if (!shown || !does(aesni, transform)) continue;
    for (const auto payload : kSizes) {
      const double one = both_ways(aesni, transform, payload, 1);
      const double many = both_ways(aesni, transform, payload, kBurst);
      std::printf("%-26s %8u %14.1f %14.1f\n", transform.name().c_str(), payload, one, many);
      std::printf("{\"sharing\": \"%s\", \"payload\": %u, \"one_sa_ns\": %.1f, \"sas_ns\": %.1f}\n",
                  transform.name().c_str(), payload, one, many);
    }
  }
}

int run(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const bool forced = what == "--scores" && argc > 2;
  const auto options = forced ? R"({"path": ")" + std::string(argv[2]) + R"("})" : "{}";
  const auto aesni = opened(espalier_plugin_aesni, options);
  const auto openssl = opened(espalier_plugin_openssl);
  std::printf("aesni: %s; openssl: %s\n", aesni->info().description, openssl->info().description);
  const bool many = what == "--sas" && argc > 2;
  int code = 0;
  if (what.empty() || many)
    code = gcm_table(*aesni, *openssl, many ? static_cast<std::uint32_t>(std::atoi(argv[2])) : 1);
  if (what.empty() || what == "--scores") score_table(*aesni, *openssl);
  if (what.empty() || what == "--sharing") sharing_table(*aesni);
  return code;
}

}  // namespace
}  // namespace espalier::test

int main(int argc, char** argv) { return espalier::test::run(argc, argv); }
