// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

#include "config/draft.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr std::int64_t kMostWorkers = 256;
constexpr std::int64_t kMostSas = std::int64_t{1} << 40;

// [gateway]

void read_path(const Item& item, Located<std::filesystem::path>& into) {
  const auto path = as_path(item);
  if (!path) return;
  if (has_unknown_placeholder(*item.node.as<std::string>()))
    item.error(
        fmt::format("'{}' has an unknown placeholder: only {{site}} is replaced, by the "
                    "name of the site that runs",
                    item.key));
  into = {*path, item.node.at};
}

constexpr Choice<Dataplane> kDataplanes[] = {{"userspace", Dataplane::userspace},
                                             {"kernel", Dataplane::kernel}};
constexpr Choice<KernelRules> kKernelRules[] = {{"required", KernelRules::required},
                                                {"optional", KernelRules::optional}};
constexpr Choice<OnStop> kOnStop[] = {{"open", OnStop::open}, {"closed", OnStop::closed}};

constexpr Field<GatewayDraft> kGateway[] = {
    {"site", "the name of a [site.NAME] table",
     [](const Item& item, GatewayDraft& gateway) {
       if (auto name = as_name(item)) gateway.site = {*name, item.node.at};
     }},
    {"dataplane", "\"userspace\" or \"kernel\"",
     [](const Item& item, GatewayDraft& gateway) {
       gateway.dataplane = as_choice(item, kDataplanes).value_or(Dataplane::userspace);
     }},
    {"workers", "a number from 1 to 256",
     [](const Item& item, GatewayDraft& gateway) {
       gateway.workers = static_cast<std::uint32_t>(as_integer(item, 1, kMostWorkers).value_or(1));
     }},
    {"kernel_rules", "\"required\" or \"optional\"",
     [](const Item& item, GatewayDraft& gateway) {
       gateway.kernel_rules = as_choice(item, kKernelRules).value_or(KernelRules::required);
     }},
    {"on_stop", "\"open\" or \"closed\"",
     [](const Item& item, GatewayDraft& gateway) {
       gateway.on_stop = as_choice(item, kOnStop).value_or(OnStop::open);
     }},
    {"offloads", "true or false",
     [](const Item& item, GatewayDraft& gateway) {
       gateway.offloads = as_bool(item).value_or(true);
     }},
    {"control_socket", "a path, such as \"/run/espalier/{site}.sock\"",
     [](const Item& item, GatewayDraft& gateway) { read_path(item, gateway.control_socket); }},
    {"state_directory", "a path, such as \"/var/lib/espalier/{site}\"",
     [](const Item& item, GatewayDraft& gateway) { read_path(item, gateway.state_directory); }},
    {"key_folder", "a path, such as \"/etc/espalier/keys\"",
     [](const Item& item, GatewayDraft& gateway) { read_path(item, gateway.key_folder); }},
};

// [plugins]

constexpr Field<ConfigDraft> kPlugins[] = {
    {"folders", "a list of folders, such as [\"/usr/lib/espalier/plugins\"]",
     [](const Item& item, ConfigDraft& draft) {
       draft.plugin_folders = values_of(as_located_list(item, as_path));
     }},
};

// [backend.NAME]

struct BackendDraft {
  bool enabled = true;
  std::optional<std::uint64_t> max_sas;
  std::string options;
};

nlohmann::json to_json(const Item& item, const Node& node) {
  if (const auto* text = node.as<std::string>()) return *text;
  if (const auto* number = node.as<std::int64_t>()) return *number;
  if (const auto* truth = node.as<bool>()) return *truth;
  if (const auto* list = node.as<Array>()) {
    nlohmann::json result = nlohmann::json::array();
    for (const Node& part : *list) result.push_back(to_json(item, part));
    return result;
  }
  if (const auto* table = node.as<Table>()) {
    nlohmann::json result = nlohmann::json::object();
    for (const Entry& entry : *table) result[entry.key] = to_json(item, entry.node);
    return result;
  }
  const auto* number = node.as<Float>();
  if (number && std::isfinite(number->value)) return number->value;
  item.context.findings.error(node.at,
                              fmt::format("'options' goes to the backend as JSON, which has no {}",
                                          number ? "such number" : "dates: write a string"));
  return nullptr;
}

constexpr Field<BackendDraft> kBackend[] = {
    {"enabled", "true or false",
     [](const Item& item, BackendDraft& backend) {
       backend.enabled = as_bool(item).value_or(true);
     }},
    {"max_sas", "a number from 1 up",
     [](const Item& item, BackendDraft& backend) {
       const auto* zero = item.node.as<std::int64_t>();
       if (zero && *zero == 0)
         item.reject("; to keep SAs off a backend write enabled = false");
       else if (const auto number = as_integer(item, 1, kMostSas))
         backend.max_sas = static_cast<std::uint64_t>(*number);
     }},
    {"options", "a table, handed to the backend",
     [](const Item& item, BackendDraft& backend) {
       if (!as_table(item, "'options'")) return;
       backend.options = to_json(item, item.node).dump();
     }},
};

}  // namespace

void read_gateway(const Item& item, ConfigDraft& draft) {
  if (const auto table = as_table(item, "[gateway]")) read_table(*table, kGateway, draft.gateway);
}

void read_plugins(const Item& item, ConfigDraft& draft) {
  if (const auto table = as_table(item, "[plugins]")) read_table(*table, kPlugins, draft);
}

void read_backends(const Item& item, ConfigDraft& draft) {
  const auto backends = as_table(item, "[backend]");
  if (!backends) return;
  for (const Entry& entry : backends->entries) {
    if (!is_name(entry.key, 64)) {
      item.context.findings.error(entry.at, "a backend's name has letters, digits, '.', '_', '-'");
      continue;
    }
    const Item one{item.context, entry.key, "a table [backend.NAME]", entry.node};
    const auto table = as_table(one, fmt::format("[backend.{}]", entry.key));
    if (!table) continue;
    BackendDraft backend;
    read_table(*table, kBackend, backend);
    draft.named_backends.push_back({entry.key, entry.at});
    if (!backend.enabled) draft.policy.excluded.push_back(entry.key);
    if (backend.max_sas) draft.policy.limits.push_back({entry.key, *backend.max_sas});
    if (!backend.options.empty()) draft.backend_options[entry.key] = std::move(backend.options);
  }
}

void add_gateway_tables(std::vector<KeyTable>& tables) {
  tables.push_back(key_table("gateway", std::span(kGateway)));
  tables.push_back(key_table("plugins", std::span(kPlugins)));
  tables.push_back(key_table("backend.*", std::span(kBackend)));
}

}  // namespace espalier::config
