// SPDX-License-Identifier: Apache-2.0
#include "usage.hpp"

#include "model/nearest_name.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

namespace espalier::cli {
namespace {

// The verb that the words led to, with the words: "espalier sa rekey".
struct Verb {
  const CLI::App* app;
  std::string words;
};

Verb verb_of(const CLI::App& app) {
  Verb verb{&app, app.get_name()};
  for (auto within = app.get_subcommands(); !within.empty(); within = verb.app->get_subcommands()) {
    verb.app = within.front();
    verb.words += ' ' + verb.app->get_name();
  }
  return verb;
}

// As it goes on within a sentence: a word of capitals stays one.
std::string inside(std::string text) {
  if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[1])) == 0)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

// "FILE (a file with ...)", for each that is required and was not given.
std::vector<std::string> missing(const CLI::App& verb) {
  std::vector<std::string> options;
  for (const CLI::Option* option : verb.get_options())
    if (option->get_required() && option->count() == 0)
      options.push_back(
          fmt::format("{} ({})", option->get_name(), inside(option->get_description())));
  return options;
}

std::string unknown(const Verb& verb, const std::string& word,
                    const std::vector<std::string>& known, std::string_view kind) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string hint = did_you_mean(names, word);
  return fmt::format("'{}' has no {} '{}'{}", verb.words, kind, word, hint.empty() ? "." : hint);
}

std::string unexpected(const Verb& verb, const std::string& word) {
  if (!word.starts_with('-')) return fmt::format("'{}' does not expect '{}'.", verb.words, word);
  std::vector<std::string> known;
  for (const CLI::Option* option : verb.app->get_options())
    if (option->nonpositional()) known.push_back("--" + option->get_single_name());
  return unknown(verb, word, known, "option");
}

// An option that stands before its verb, or nothing.
std::string too_early(const CLI::App& app, const Verb& verb) {
  const auto words = app.remaining();
  const auto option =
      std::ranges::find_if(words, [](const std::string& word) { return word.starts_with('-'); });
  if (verb.app == &app || option == words.end()) return {};
  return fmt::format("'{}' comes before its verb: write '{} {}'.", *option, verb.words, *option);
}

std::string sentence_about(const CLI::App& app, const Verb& verb, const CLI::Error& error) {
  const int kind = error.get_exit_code();
  if (kind != static_cast<int>(CLI::ExitCodes::RequiredError) &&
      kind != static_cast<int>(CLI::ExitCodes::ExtrasError))
    return fmt::format("'{}': {}.", verb.words, error.what());
  if (auto early = too_early(app, verb); !early.empty()) return early;
  const auto parts = verb.app->get_subcommands([](const CLI::App*) { return true; });
  const auto rest = verb.app->remaining();
  if (!parts.empty()) {
    std::vector<std::string> names;
    for (const CLI::App* part : parts) names.push_back(part->get_name());
    if (!rest.empty() && !rest.front().starts_with('-'))
      return unknown(verb, rest.front(), names, "verb");
    return fmt::format("'{}' needs one of: {}.", verb.words, fmt::join(names, ", "));
  }
  if (const auto lacks = missing(*verb.app); !lacks.empty())
    return fmt::format("'{}' needs {}.", verb.words, fmt::join(lacks, " and "));
  return rest.empty() ? fmt::format("'{}': {}.", verb.words, error.what())
                      : unexpected(verb, rest.front());
}

}  // namespace

std::string usage_mistake(const CLI::App& app, const CLI::Error& error) {
  const Verb verb = verb_of(app);
  return fmt::format("{} '{} --help' has more.", sentence_about(app, verb, error), verb.words);
}

}  // namespace espalier::cli
