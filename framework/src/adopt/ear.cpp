// SPDX-License-Identifier: Apache-2.0
#include "adopt/ear.hpp"

#include <utility>

#include "xfrm/sa_state.hpp"

namespace espalier::adopt {

void Ear::listen() {
  auto heard = source_.hear();
  lost_ = lost_ || heard.lost;
  for (auto& message : heard.messages) words_.push_back({std::move(message), era_});
}

std::optional<Ear::Word> Ear::next() {
  if (words_.empty()) return std::nullopt;
  Word word = std::move(words_.front());
  words_.pop_front();
  return word;
}

void Ear::forget() {
  listen();
  words_.clear();
  lost_ = false;
}

bool Ear::take_lost() noexcept { return std::exchange(lost_, false); }

std::optional<xfrm::LastOf> Ear::last_of(const xfrm::SaId& id, std::uint32_t port) {
  for (auto word = words_.rbegin(); word != words_.rend(); ++word) {
    if (word->message.port != port) continue;
    const auto news = xfrm::read_sa(word->message);
    if (!news || news->kind != xfrm::SaNews::Kind::deleted || news->state.id != id) continue;
    auto last = xfrm::read_last(word->message);
    words_.erase(std::next(word).base());
    return last;
  }
  return std::nullopt;
}

std::uint64_t Ear::begin_era() {
  listen();
  return ++era_;
}

}  // namespace espalier::adopt
