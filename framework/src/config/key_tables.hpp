// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

// The keys that the parser knows in one kind of table. Path: "" is the root, ".*" any name, "[]"
// the tables of a list.
struct KeyTable {
  std::string path;  // "site.*.tun"
  std::vector<std::string_view> keys;
  std::vector<std::string_view> required;
};

// All of them: what configs/schema/espalier.schema.json must say too.
std::vector<KeyTable> key_tables();

// Each part's share of key_tables().
void add_gateway_tables(std::vector<KeyTable>& tables);
void add_policy_tables(std::vector<KeyTable>& tables);
void add_site_tables(std::vector<KeyTable>& tables);
void add_tunnel_tables(std::vector<KeyTable>& tables);
void add_tunnel_option_tables(std::vector<KeyTable>& tables);

}  // namespace espalier::config
