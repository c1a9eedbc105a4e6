// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "model/sentence.hpp"

#include <string>

namespace espalier {

// All that is wrong with a request: whoever wrote it is told at once.
class Complaints {
 public:
  void add(const Error& error) {
    if (!text_.empty()) text_ += ' ';
    text_ += as_sentence(error.message);
  }
  void add(const Result<void>& checked) {
    if (!checked) add(checked.error());
  }
  Result<void> result() const {
    if (text_.empty()) return {};
    return fail(ErrorCode::invalid, text_);
  }

 private:
  std::string text_;
};

}  // namespace espalier
