// SPDX-License-Identifier: Apache-2.0
#include "xfrm/dump.hpp"

#include <fmt/format.h>

#include <utility>

#include "xfrm/refusal.hpp"

namespace espalier::xfrm {
namespace {

constexpr int kMostTries = 5;

}  // namespace

Result<std::vector<Message>> dump(Transport& kernel, Request request, std::string_view what) {
  for (int tries = 1;; ++tries) {
    auto answers = kernel.exchange({&request, 1});
    if (!answers) return std::unexpected(answers.error());
    Answer& answer = answers->front();
    if (answer.error == 0) return std::move(answer.messages);
    const bool again = answer.error == ENOBUFS || answer.error == EINTR;
    if (!again || tries == kMostTries)
      return fail(code_of(answer.error),
                  fmt::format("The kernel's {} cannot be read: {}.", what, words_of(answer)));
  }
}

}  // namespace espalier::xfrm
