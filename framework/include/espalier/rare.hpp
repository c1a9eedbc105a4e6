// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

namespace espalier {

// A value that is hardly ever another than T{}, in the place of a pointer: there may be very many.
template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(T value) { *this = std::move(value); }
  Rare(const Rare& other) : Rare(*other) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(const Rare& other) { return *this = T(*other); }
  Rare& operator=(Rare&&) noexcept = default;
  Rare& operator=(T value) {
    value_ = value == T{} ? nullptr : std::make_unique<T>(std::move(value));
    return *this;
  }

  const T& operator*() const noexcept {
    static const T kUsual{};
    return value_ ? *value_ : kUsual;
  }
  const T* operator->() const noexcept { return &**this; }

  friend bool operator==(const Rare& a, const Rare& b) { return *a == *b; }

 private:
  std::unique_ptr<T> value_;  // nullptr: T{}
};

}  // namespace espalier
