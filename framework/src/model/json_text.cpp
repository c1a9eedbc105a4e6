// SPDX-License-Identifier: Apache-2.0
#include <model/json_text.hpp>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 100;

std::string scalar(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string one_line(const Json& value) {
  if (!value.is_structured()) return scalar(value);
  std::string text(1, value.is_object() ? '{' : '[');
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (item != value.begin()) text += ", ";
    if (value.is_object()) text += scalar(item.key()) + ": ";
    text += one_line(*item);
  }
  return text + (value.is_object() ? '}' : ']');
}

// `used`: columns of the line that are taken already.
void write(const Json& value, std::size_t indent, std::size_t used, std::string& out) {
  const std::string line = one_line(value);
  if (!value.is_structured() || value.empty() || used + line.size() <= kColumns) {
    out += line;
    return;
  }
  const std::size_t inner = indent + 2;
  out += value.is_object() ? '{' : '[';
  for (auto item = value.begin(); item != value.end(); ++item) {
    out += item == value.begin() ? "\n" : ",\n";
    out.append(inner, ' ');
    const std::string key = value.is_object() ? scalar(item.key()) + ": " : "";
    out += key;
    write(*item, inner, inner + key.size() + 1, out);
  }
  out += '\n';
  out.append(indent, ' ');
  out += value.is_object() ? '}' : ']';
}

}  // namespace

std::string json_text(const Json& value) {
  std::string out;
  write(value, 0, 0, out);
  return out + '\n';
}

}  // namespace espalier
