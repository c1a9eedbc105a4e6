// SPDX-License-Identifier: Apache-2.0
#include "adopt/swap.hpp"

#include "xfrm/refusal.hpp"
#include "xfrm/sa_state.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <vector>

namespace espalier::adopt {
namespace {

using End = Swapped::End;
using xfrm::Answer;
using xfrm::Request;

class Swap {
 public:
  Swap(xfrm::Transport& kernel, Ear& ear, const xfrm::SaCopy& copy, const xfrm::OffloadTo& offload)
      : kernel_(kernel), ear_(ear), copy_(copy), offload_(offload) {}

  Swapped run() {
    std::vector<Request> requests;
    requests.push_back(xfrm::delete_sa(copy_.id()));
    requests.push_back(copy_.add_closed(offload_));
    if (offload_.offload != Offload::none) requests.push_back(copy_.add_closed({}));
    auto answers = kernel_.exchange(requests);
    if (!answers) return {End::unknown, answers.error()};
    answers_ = std::move(*answers);
    const Answer& deleted = answers_.front();
    if (deleted.error == 0) return begun();
    if (deleted.error == ESRCH) return gone();
    return {End::unknown, Error{xfrm::code_of(deleted.error), words_of(deleted)}};
  }

 private:
  bool taken() const { return answers_[1].error == 0; }
  bool in_software() const { return answers_.back().error == 0; }

  // What we have put in for one that was no longer there never carried anything.
  Swapped gone() {
    if (taken() || in_software()) remove();
    return {End::gone};
  }
  void remove() {
    Request request = xfrm::delete_sa(copy_.id());
    static_cast<void>(kernel_.exchange({&request, 1}));
    ear_.listen();
    static_cast<void>(ear_.last_of(copy_.id(), kernel_.port()));
  }

  Swapped begun() {
    ear_.listen();
    const auto last = ear_.last_of(copy_.id(), kernel_.port());
    if (!taken() && !in_software()) return put_back();
    const bool fits = last && last->numbers.wide == copy_.numbers().wide &&
                      last->numbers.seen.size() == copy_.numbers().seen.size();
    if (!fits)
      return {End::closed,
              Error{ErrorCode::io, "the kernel did not tell the numbers with which it ended"}};
    if (taken() && offload_.offload != Offload::none) {
      if (!last->numbers.untouched()) return back_to_software(*last, {End::too_late});
      if (auto not_held = judge()) return back_to_software(*last, {End::refused, not_held});
    }
    return open(*last, taken() ? Swapped{End::moved} : refusal());
  }

  static Swapped missing(const Answer& answer) {
    return {End::lost, Error{ErrorCode::io,
                             fmt::format("the kernel did not take it back: {}", words_of(answer))}};
  }

  // The kernel took none of both. Its owner may have deleted it by now, in vain: it stays closed,
  // and goes if nobody rekeys it.
  Swapped put_back() {
    Request request = copy_.add_closed({});
    const auto answers = kernel_.exchange({&request, 1});
    if (!answers) return {End::unknown, answers.error()};
    if (answers->front().error != 0) return missing(answers->front());
    return {End::closed, Error{ErrorCode::io, fmt::format("the kernel did not take it at once: {}",
                                                          words_of(answers_.back()))}};
  }

  // Nothing has passed the closed one; and the next one begins closed, too.
  Swapped back_to_software(const xfrm::LastOf& last, const Swapped& end) {
    std::vector<Request> requests;
    requests.push_back(xfrm::delete_sa(copy_.id()));
    requests.push_back(copy_.add_closed({}));
    const auto answers = kernel_.exchange(requests);
    if (!answers) return {End::unknown, answers.error()};
    ear_.listen();
    static_cast<void>(ear_.last_of(copy_.id(), kernel_.port()));
    const bool was_there = answers->front().error == 0, is_there = answers->back().error == 0;
    if (!was_there && is_there) remove();
    if (!was_there) return {End::gone};
    if (!is_there) return put_back();
    return open(last, end);
  }

  // `end`: what has become of it if that goes well.
  Swapped open(const xfrm::LastOf& last, const Swapped& end) {
    Request request = xfrm::open_sa(copy_.id(), last);
    const auto answers = kernel_.exchange({&request, 1});
    if (!answers) return {End::unknown, answers.error()};
    const Answer& answer = answers->front();
    if (answer.error == ESRCH) return {End::gone};
    if (answer.error != 0)
      return {End::closed, Error{ErrorCode::io, fmt::format("the kernel did not let it go on: {}",
                                                            words_of(answer))}};
    return end;
  }

  Swapped refusal() const {
    const Answer& answer = answers_[1];
    const bool offloaded = offload_.offload != Offload::none;
    return {End::refused, Error{xfrm::refusal_code(answer.error, offloaded), words_of(answer)}};
  }

  // Whether the kernel says that the device holds it.
  std::optional<Error> judge() {
    const auto states = xfrm::read_sas(kernel_, {copy_.id()});
    if (!states) return states.error();
    const auto& state = states->front();
    const xfrm::HeldBy asked{offload_.interface, offload_.offload};
    if (!state || state->held_by == asked) return std::nullopt;
    return Error{ErrorCode::unsupported,
                 "it took the SA, and the kernel would do it in software all the same"};
  }

  xfrm::Transport& kernel_;
  Ear& ear_;
  const xfrm::SaCopy& copy_;
  const xfrm::OffloadTo offload_;
  std::vector<Answer> answers_;
};

}  // namespace

Swapped swap(xfrm::Transport& kernel, Ear& ear, const xfrm::SaCopy& copy,
             const xfrm::OffloadTo& offload) {
  return Swap(kernel, ear, copy, offload).run();
}

}  // namespace espalier::adopt
