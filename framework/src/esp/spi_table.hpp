// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace espalier::esp {

struct InboundSa;

// Inbound SAs by SPI: open addressing with linear probing, at most half full. SPIs are chosen by
// us and from 256 on, so 0 marks an empty place. One worker's own.
class SpiTable {
 public:
  SpiTable() : places_(kSmallest) {}

  InboundSa* find(std::uint32_t spi) const noexcept {
    for (std::size_t i = home(spi);; i = next(i)) {
      if (places_[i].spi == spi) return places_[i].sa;
      if (places_[i].spi == 0) return nullptr;
    }
  }

  // The SPI must not be there.
  void insert(std::uint32_t spi, InboundSa& sa) {
    if (++used_ * 2 > places_.size()) grow();
    put({spi, &sa});
  }

  void erase(std::uint32_t spi) noexcept {
    std::size_t hole = home(spi);
    while (places_[hole].spi != spi) {
      if (places_[hole].spi == 0) return;
      hole = next(hole);
    }
    --used_;
    // Close the gap: whatever could not be found past the hole moves into it.
    for (std::size_t i = next(hole); places_[i].spi != 0; i = next(i)) {
      const std::size_t distance = (i - home(places_[i].spi)) & (places_.size() - 1);
      if (distance >= ((i - hole) & (places_.size() - 1))) {
        places_[hole] = places_[i];
        hole = i;
      }
    }
    places_[hole] = {};
  }

 private:
  struct Place {
    std::uint32_t spi = 0;
    InboundSa* sa = nullptr;
  };
  static constexpr std::size_t kSmallest = 64;

  std::size_t home(std::uint32_t spi) const noexcept {
    return (spi * 0x9e3779b1u >> 7) & (places_.size() - 1);
  }
  std::size_t next(std::size_t i) const noexcept { return (i + 1) & (places_.size() - 1); }
  void put(Place place) noexcept {
    std::size_t i = home(place.spi);
    while (places_[i].spi != 0) i = next(i);
    places_[i] = place;
  }
  void grow() {
    std::vector<Place> old(places_.size() * 2);
    std::swap(old, places_);
    for (const Place& place : old) {
      if (place.spi != 0) put(place);
    }
  }

  std::vector<Place> places_;
  std::size_t used_ = 0;
};

}  // namespace espalier::esp
