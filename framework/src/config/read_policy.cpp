// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "config/draft.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr std::string_view kBackendList =
    "a list of backends, the preferred first, such as [\"quickassist\", \"aesni\"]";
constexpr std::string_view kFallbackWords = "\"next\", \"software\" or \"fail\"";
constexpr Choice<Fallback> kFallbacks[] = {
    {"next", Fallback::next}, {"software", Fallback::software}, {"fail", Fallback::fail}};
constexpr Choice<Direction> kDirections[] = {{"outbound", Direction::outbound},
                                             {"inbound", Direction::inbound}};

// Their order, and where each is named.
void read_order(const Item& item, std::vector<std::string>& order,
                std::vector<Located<std::string>>& named) {
  for (Located<std::string>& backend : as_located_list(item, as_name)) {
    order.push_back(backend.value);
    named.push_back(std::move(backend));
  }
}

constexpr Field<ConfigDraft> kPolicy[] = {
    {"backends", kBackendList,
     [](const Item& item, ConfigDraft& draft) {
       read_order(item, draft.policy.backends, draft.named_backends);
     }},
    {"fallback", kFallbackWords,
     [](const Item& item, ConfigDraft& draft) {
       draft.policy.fallback = as_choice(item, kFallbacks).value_or(Fallback::next);
     }},
};

constexpr Field<RuleDraft> kMatch[] = {
    {"transform", "a list of transforms, such as [\"aes256gcm16\"]",
     [](const Item& item, RuleDraft& draft) {
       for (const auto& info : as_located_list(item, as_transform))
         draft.rule.match.transforms.push_back(info.value->transform);
     }},
    {"peer", "a list of prefixes, such as [\"198.51.100.0/24\"]",
     [](const Item& item, RuleDraft& draft) {
       draft.rule.match.peers = values_of(as_located_list(item, as_prefix));
     }},
    {"direction", "\"outbound\" or \"inbound\"",
     [](const Item& item, RuleDraft& draft) {
       draft.rule.match.direction = as_choice(item, kDirections);
     }},
    {"class", "the class of a tunnel, such as \"bulk\"",
     [](const Item& item, RuleDraft& draft) {
       draft.rule.match.traffic_class = as_free_text(item);
       draft.class_at = item.node.at;
     }},
    {"interface", "a network interface, such as \"eth1\"",
     [](const Item& item, RuleDraft& draft) { draft.rule.match.interface = as_interface(item); }},
};

constexpr Field<RuleDraft> kRule[] = {
    {"name", "a name for this rule, unique",
     [](const Item& item, RuleDraft& draft) {
       draft.rule.name = as_name(item).value_or("");
       draft.name_at = item.node.at;
     },
     true},
    {"match", "a table of what an SA must be, such as { class = \"bulk\" }",
     [](const Item& item, RuleDraft& draft) {
       if (const auto table = as_table(item, "'match' of a [[rule]]"))
         read_table(*table, kMatch, draft);
     },
     true},
    {"backends", kBackendList,
     [](const Item& item, RuleDraft& draft) {
       read_order(item, draft.rule.backends, draft.named_backends);
     },
     true},
    {"fallback", kFallbackWords,
     [](const Item& item, RuleDraft& draft) {
       draft.rule.fallback = as_choice(item, kFallbacks).value_or(Fallback::next);
       draft.has_fallback = true;
     }},
};

}  // namespace

void read_policy(const Item& item, ConfigDraft& draft) {
  const auto table = as_table(item, "[policy]");
  if (!table) return;
  draft.policy_at = table->at;
  read_table(*table, kPolicy, draft);
}

void read_rules(const Item& item, ConfigDraft& draft) {
  for (const Item& one : as_list(item)) {
    const auto table = as_table(one, "[[rule]]");
    if (!table) continue;
    RuleDraft rule;
    rule.at = table->at;
    read_table(*table, kRule, rule);
    std::ranges::move(rule.named_backends, std::back_inserter(draft.named_backends));
    draft.rules.push_back(std::move(rule));
  }
}

void add_policy_tables(std::vector<KeyTable>& tables) {
  tables.push_back(key_table("policy", std::span(kPolicy)));
  tables.push_back(key_table("rule[]", std::span(kRule)));
  tables.push_back(key_table("rule[].match", std::span(kMatch)));
}

}  // namespace espalier::config
