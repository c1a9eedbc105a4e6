// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include "io/descriptor.hpp"

#include <memory>

namespace espalier::io {

// Whether the queue's device is still there: somebody may have deleted it.
bool is_attached(int queue) noexcept;

// A queue of a TUN device whose packets have a VirtioHeader in front: up to 64 KiB of a TCP or UDP
// flow cross it with one system call, and are cut and joined here. What is read and does not fit
// into a burst is given by the next receive(). `udp`: the kernel takes joined datagrams, too.
std::unique_ptr<PacketPort> make_offload_queue(Descriptor queue, bool udp);

}  // namespace espalier::io
