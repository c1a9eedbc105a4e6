// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

namespace espalier::esp {

// An eventfd: signalled from any thread, waited for with poll(2) by one.
class Wakeup {
 public:
  static Result<Wakeup> create();
  Wakeup(Wakeup&& other) noexcept;
  Wakeup& operator=(Wakeup&& other) noexcept;
  ~Wakeup();

  void signal() const noexcept;
  void clear() const noexcept;
  int descriptor() const noexcept { return descriptor_; }

 private:
  explicit Wakeup(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace espalier::esp
