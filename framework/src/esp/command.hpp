// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/device_queue.hpp"
#include "esp/sa_state.hpp"

namespace espalier::esp {

// From the control thread to a worker, taken up between two bursts. What the pointers lead to
// belongs to the control thread and lives until the reply that returns it.
struct Command {
  enum class Kind : std::uint8_t {
    none,
    add,
    move,
    remove,
    lose_queue,
    drop_queue,
    set_peer,     // outbound: to `peer`
    followed,     // inbound: its peer's move is answered, in every SA that there is
    set_longest,  // outbound: inner packet that the path takes, `bytes`
    expire,       // its time is over
    send_dummy,   // of `bytes` bytes
    send_keepalive,
  };
  Kind kind = Kind::none;
  SaState* sa = nullptr;
  Binding* binding = nullptr;    // add, move: nullptr on a worker that does not own the SA
  DeviceQueue* queue = nullptr;  // add, move: of the binding; lose_queue, drop_queue
  std::uint32_t bytes = 0;
  Endpoint peer{};
};

// From a worker to the control thread.
struct Reply {
  enum class Kind : std::uint8_t {
    none,
    sa_removed,      // this worker no longer knows the SA
    binding_closed,  // nothing of it is in flight
    queue_dropped,   // the device holds no buffer and the worker no pointer
    device_lost,
    sequence_ended,
    soft_limit,
    hard_limit,
    peer_moved,  // inbound: its peer now sends from `peer`
    path_mtu,    // to `peer`'s address: `bytes`
    port_gone,
    unknown_spi,  // of packets from `peer`: `spi`
  };
  Kind kind = Kind::none;
  SaState* sa = nullptr;
  Binding* binding = nullptr;
  DeviceQueue* queue = nullptr;
  std::uint32_t bytes = 0;
  Endpoint peer{};
  std::uint32_t spi = 0;
};

}  // namespace espalier::esp
