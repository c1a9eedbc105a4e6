// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/sanitizer.hpp>
#include <load/text.hpp>

#include <algorithm>

namespace espalier::conform {
namespace {

constexpr Req kHiddenBySanitizers[] = {Req::threads, Req::keys_gone, Req::no_growth, Req::churn};

std::string_view line_at(std::string_view output, std::size_t position) {
  const auto newline = output.rfind('\n', position);
  const auto start = newline == std::string_view::npos ? 0 : newline + 1;
  return output.substr(start, output.find('\n', start) - start);
}

}  // namespace

std::string telling_line(std::string_view output) {
  output = output.substr(0, output.find_last_not_of(" \r\n") + 1);
  const auto found = output.find("Sanitizer:");
  std::string line(line_at(output, found));
  if (const auto frame = output.find("#0 ", found); frame != std::string_view::npos)
    line += fmt::format(", {}", output.substr(frame, output.find('\n', frame) - frame));
  return load::printable(line);
}

bool is_hidden(Req requirement) {
  return std::ranges::count(kHiddenBySanitizers, requirement) != 0;
}

void leave_out_what_a_sanitizer_hides(CaseResult& result) {
  std::erase_if(result.findings,
                [](const Finding& finding) { return is_hidden(finding.requirement); });
  for (const Req checked : result.test->checks)
    if (is_hidden(checked))
      result.findings.push_back({Finding::Kind::not_applicable, checked, kSanitizer});
}

bool is_race(std::string_view output) { return output.contains("ThreadSanitizer:"); }

Req broken_by_printing(std::string_view output, const Case& test) {
  for (const Req threads : {Req::two_queues, Req::control_meanwhile})
    if (is_race(output) && std::ranges::count(test.checks, threads) != 0) return threads;
  return Req::silent;
}

}  // namespace espalier::conform
