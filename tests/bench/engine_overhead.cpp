// SPDX-License-Identifier: Apache-2.0
//
// What the ESP engine adds to the backend's own work: nanoseconds a packet of a whole turn (packet
// in, policy or SPI lookup, sequence, header, padding, crypto, replay, selectors, packet out)
// beside the backend's process() on ops of the same ciphertext length. AES-256-GCM, ESN, tunnel
// mode, bursts of 32, one SA, one core, no system calls: the ports are memory. What is compared
// with takes the same packets from the same ports, so that only the engine is left as the
// difference.
//
// Both are sampled in turn within one run; of many short samples the first decile is taken, since
// whatever else the machine does only adds time. One JSON line a size on stdout.
#include "esp/sa_state.hpp"

#include <espalier/engine.hpp>
#include <espalier/registry.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_aesni;

namespace espalier::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kBurst = 32;
constexpr std::size_t kSamples = 4000;
constexpr std::size_t kSealed =
    512;  // packets that the inbound side is fed with, over and over: they fit L2

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

// The smallest IPv4 packet that the SA's selectors cover, of any length; its payload is whatever
// the buffer holds.
void write_inner(std::uint8_t* p, std::uint32_t length) {
  const std::uint8_t header[28] = {0x45,
                                   0,
                                   std::uint8_t(length >> 8),
                                   std::uint8_t(length),
                                   0,
                                   0,
                                   0x40,
                                   0,
                                   64,
                                   17,
                                   0,
                                   0,
                                   10,
                                   1,
                                   0,
                                   1,
                                   10,
                                   2,
                                   0,
                                   1,
                                   4,
                                   0,
                                   8,
                                   0};
  std::memcpy(p, header, sizeof(header));
}

// Gives `left` packets of one length, and takes what is sent.
class SourcePort final : public PacketPort {
 public:
  explicit SourcePort(std::uint32_t length) : length_(length) {}
  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    const std::size_t n = std::min(left, packets.size());
    for (std::size_t i = 0; i < n; ++i) {
      write_inner(packets[i]->data(), length_);
      packets[i]->length = length_;
    }
    left -= n;
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    sent += packets.size();
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

  std::size_t left = 0;
  std::size_t sent = 0;

 private:
  std::uint32_t length_;
};

// Keeps what is sent, and gives it to whoever asks, `left` packets at a time.
class SealedPort final : public PacketPort {
 public:
  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    const std::size_t n = std::min(left, packets.size());
    for (std::size_t i = 0; i < n; ++i) {
      const auto& from = sealed[(next + i) % sealed.size()];
      std::memcpy(packets[i]->data(), from.data(), from.size());
      packets[i]->length = static_cast<std::uint32_t>(from.size());
    }
    next += n;
    left -= n;
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    for (const Packet* packet : packets) {
      if (keep) sealed.emplace_back(packet->view().begin(), packet->view().end());
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

  std::vector<std::vector<std::uint8_t>> sealed;
  std::size_t next = 0;
  std::size_t left = 0;
  bool keep = true;
};

class OverheadBench {
 public:
  OverheadBench()
      : secrets_(must(SecretPool::create())), registry_(must(Registry::load({}, *secrets_))) {
    if (!registry_->add_builtin("aesni", espalier_plugin_aesni)) std::abort();
    device_ = must(registry_->open("aesni", "cpu"));
  }

  void measure(std::uint32_t inner_length) {
    Side out(*this, inner_length, Direction::outbound);
    const double turn_out = out.outbound();
    const double process_out = process_alone(*out.clear, inner_length, Direction::outbound);
    Side in(*this, inner_length, Direction::inbound);
    in.wire->sealed = out.seal_some();
    const double turn_in = in.inbound();
    const double process_in = process_alone(*in.wire, inner_length, Direction::inbound);
    std::printf(
        "{\"inner_bytes\": %u, \"outbound\": {\"backend_ns\": %.1f, \"engine_ns\": %.1f, "
        "\"added_ns\": %.1f, \"gbit_per_s\": %.1f}, \"inbound\": {\"backend_ns\": %.1f, "
        "\"engine_ns\": %.1f, \"added_ns\": %.1f, \"gbit_per_s\": %.1f}}\n",
        inner_length, process_out, turn_out, turn_out - process_out, inner_length * 8 / turn_out,
        process_in, turn_in, turn_in - process_in, inner_length * 8 / turn_in);
    std::fflush(stdout);
  }

 private:
  static double decile(std::vector<double>& samples) {
    const auto at = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 10);
    std::ranges::nth_element(samples, at);
    return *at;
  }
  static double sample(const std::function<void()>& body) {
    const auto start = Clock::now();
    body();
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kBurst;
  }

  SaSpec spec(Direction direction) const {
    SaSpec sa;
    sa.name = "sa";
    sa.direction = direction;
    sa.spi = 0x1001;
    sa.transform = must(find_transform("aes256gcm16"))->transform;
    sa.local = {must(IpAddress::parse("192.0.2.1")), 4500};
    sa.peer = {must(IpAddress::parse("192.0.2.2")), 4500};
    sa.selectors = {{must(IpPrefix::parse("10.1.0.0/16")), must(IpPrefix::parse("10.2.0.0/16"))}};
    return sa;
  }
  Session session(Direction direction) {
    const std::array<std::uint8_t, 32> key{1, 2, 3};
    SaKeys keys{must(SecretBytes::copy(*secrets_, key)),
                must(SecretBytes::copy(*secrets_, std::span(key).first(4))),
                {}};
    return must(device_->open_session(spec(direction), keys));
  }

  // An engine of one worker with one SA.
  struct Side {
    Side(OverheadBench& bench, std::uint32_t length, Direction direction)
        : bench_(bench), direction_(direction) {
      auto clear_port = std::make_unique<SourcePort>(length);
      auto wire_port = std::make_unique<SealedPort>();
      clear = clear_port.get();
      wire = wire_port.get();
      wire->keep = false;
      std::vector<WorkerPorts> ports;
      ports.push_back({std::move(clear_port), std::move(wire_port)});
      engine = must(Engine::create({.slots = 256, .burst = kBurst}, std::move(ports)));
      add();
    }
    void add() {
      if (!engine->add(bench_.spec(direction_), bench_.session(direction_))) std::abort();
      engine->turn(0);
    }

    double outbound() {
      std::vector<double> samples(kSamples);
      for (double& s : samples) {
        clear->left = kBurst;
        s = sample([&] { engine->turn(0); });
      }
      expect_no_drops();
      return decile(samples);
    }
    std::vector<std::vector<std::uint8_t>> seal_some() {
      if (!engine->remove("sa")) std::abort();
      add();  // the numbers begin anew
      wire->keep = true;
      clear->left = kSealed;
      while (clear->left > 0) engine->turn(0);
      return std::move(wire->sealed);
    }
    double inbound() {
      std::vector<double> samples;
      while (samples.size() < kSamples) {
        if (!engine->remove("sa")) std::abort();
        add();
        wire->next = 0;
        for (std::size_t i = 0; i < kSealed; i += kBurst) {
          wire->left = kBurst;
          samples.push_back(sample([&] { engine->turn(0); }));
        }
      }
      expect_no_drops();
      return decile(samples);
    }
    void expect_no_drops() const {
      for (const std::uint64_t drops : engine->drops()) {
        if (drops != 0) std::abort();
      }
    }

    OverheadBench& bench_;
    Direction direction_;
    SourcePort* clear;
    SealedPort* wire;
    std::unique_ptr<Engine> engine;
  };

  // The same packets from the same port into the same kind of buffers, and process() alone on ops
  // as the engine would give them.
  template <class Port>
  double process_alone(Port& port, std::uint32_t inner_length, Direction direction) {
    const Session keyed = session(direction);
    const auto queue = must(device_->open_queue());
    esp::SlotPool pool(kBurst);
    std::vector<espalier_op*> ops;
    std::vector<Packet*> packets;
    const auto layout = must(esp::layout_of(spec(direction).transform));
    const bool outbound = direction == Direction::outbound;
    for (std::size_t i = 0; i < kBurst; ++i) {
      esp::Slot& slot = *pool.take();
      slot.op.session = keyed.handle();
      slot.op.esp = slot.packet.data() - (outbound ? layout.header_bytes() : 0);
      slot.op.icv_offset =
          layout.header_bytes() + inner_length + layout.padding(inner_length) + esp::kEspTrailer;
      slot.op.length = slot.op.icv_offset + layout.icv_bytes;
      ops.push_back(&slot.op);
      packets.push_back(&slot.packet);
    }
    std::vector<double> samples(kSamples);
    for (double& s : samples) {
      port.left = kBurst;
      s = sample([&] {
        static_cast<PacketPort&>(port).receive(packets);
        queue->process(ops);
      });
      for (const espalier_op* op : ops) {
        if (op->status != ESPALIER_OP_DONE) std::abort();
      }
    }
    return decile(samples);
  }

  std::unique_ptr<SecretPool> secrets_;
  std::unique_ptr<Registry> registry_;
  std::shared_ptr<OpenDevice> device_;
};

}  // namespace
}  // namespace espalier::bench

int main() {
  espalier::bench::OverheadBench bench;
  for (const std::uint32_t length : {64u, 512u, 1420u}) bench.measure(length);
}
