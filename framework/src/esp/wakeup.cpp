// SPDX-License-Identifier: Apache-2.0
#include "esp/wakeup.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::esp {

Result<Wakeup> Wakeup::create() {
  const int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorCode::io, std::string("cannot make an eventfd for the engine: ") +
                                   std::strerror(errno) + "; raise the limit of open files");
  }
  return Wakeup(descriptor);
}

Wakeup::Wakeup(Wakeup&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
Wakeup& Wakeup::operator=(Wakeup&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
Wakeup::~Wakeup() {
  if (descriptor_ >= 0) close(descriptor_);
}

// Neither can fail in a way that matters: the counter is full (signalled) or empty (not).
void Wakeup::signal() const noexcept { static_cast<void>(eventfd_write(descriptor_, 1)); }
void Wakeup::clear() const noexcept {
  eventfd_t count = 0;
  static_cast<void>(eventfd_read(descriptor_, &count));
}

}  // namespace espalier::esp
