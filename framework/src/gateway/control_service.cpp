// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_service.hpp"

#include "gateway/complaints.hpp"
#include "gateway/control_keys.hpp"
#include "gateway/control_sa.hpp"
#include "gateway/site_view.hpp"
#include "model/nearest_name.hpp"
#include "model/sentence.hpp"
#include "observe/render.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace espalier {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kDefaultGrace{5000};
constexpr std::uint64_t kMaxGraceMs = 3'600'000;

struct Verb {
  std::string_view name;
  std::array<std::string_view, 4> members;  // that a request may have beside "verb"
};
constexpr std::array kVerbs = {
    Verb{"sa.add", {"sa", "keys"}},
    Verb{"sa.rekey", {"name", "sa", "keys", "grace_ms"}},
    Verb{"sa.delete", {"name"}},
    Verb{"sa.list", {}},
    Verb{"explain", {"name"}},
    Verb{"drops", {}},
    Verb{"status", {}},
    Verb{"stop", {}},
    Verb{"events", {"follow"}},
};

ordered_json error_json(const Error& error) {
  return {{"ok", false},
          {"error", {{"code", to_string(error.code)}, {"message", as_sentence(error.message)}}}};
}

std::string driver_words(const KernelDriver& driver) {
  if (driver.name.empty()) return "";
  if (driver.unknown.empty())
    return fmt::format(
        "It has the kernel's crypto driver {}, as inferred from the number of its "
        "users.\n",
        driver.name);
  return fmt::format(
      "It was steered to the kernel's crypto driver {}; which it has is unknown: {}.\n",
      driver.name, driver.unknown);
}

std::string line_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// nlohmann's own words quote the text, which may hold a key.
Result<json> parse(std::span<const char> line) {
  try {
    return json::parse(line.begin(), line.end());
  } catch (const json::parse_error& error) {
    return fail(ErrorCode::invalid,
                fmt::format("The request is not JSON: byte {} of the line is not what belongs "
                            "there. A request is one line, such as {{\"verb\":\"sa.list\"}}.",
                            error.byte));
  }
}

Result<const Verb*> find_verb(const json& request) {
  if (!request.is_object() || !request.contains("verb") || !request["verb"].is_string())
    return fail(ErrorCode::invalid,
                "A request is an object with a \"verb\", such as {\"verb\":\"sa.list\"}.");
  const auto& name = request["verb"].get_ref<const std::string&>();
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  if (verb != kVerbs.end()) return &*verb;
  std::array<std::string_view, kVerbs.size()> known;
  std::ranges::transform(kVerbs, known.begin(), &Verb::name);
  return fail(ErrorCode::invalid, fmt::format("There is no verb '{}' among {}{}", name,
                                              fmt::join(known, ", "), did_you_mean(known, name)));
}

Result<void> check_members(const json& request, const Verb& verb) {
  for (const auto& [member, value] : request.items())
    if (member != "verb" &&
        (member.empty() || std::ranges::find(verb.members, member) == verb.members.end()))
      return fail(ErrorCode::invalid,
                  fmt::format("The verb '{}' takes no '{}'.", verb.name, member));
  return {};
}

// What is left of the keys after lift_keys(): names it took, with nothing but '*'. Anything else
// was not understood as a key, and must not pass for one.
Result<void> check_lifted(const json& request) {
  const auto keys = request.find("keys");
  if (keys == request.end() || !keys->is_object())
    return fail(ErrorCode::invalid,
                "The request needs \"keys\": an object with \"cipher\" and, as the transform asks, "
                "\"salt\" and \"integrity\", each in hex.");
  constexpr std::array<std::string_view, 3> known = {"cipher", "salt", "integrity"};
  for (const auto& [member, value] : keys->items()) {
    const bool lifted = value.is_string() && value.get_ref<const std::string&>().find_first_not_of(
                                                 '*') == std::string::npos;
    if (std::ranges::find(known, member) == known.end() || !lifted)
      return fail(ErrorCode::invalid,
                  "\"keys\" may hold \"cipher\", \"salt\" and \"integrity\", each a string of hex "
                  "digits.");
  }
  return {};
}

Result<std::string> name_in(const json& request) {
  const auto name = request.find("name");
  if (name == request.end() || !name->is_string())
    return fail(ErrorCode::invalid, "The request needs the \"name\" of an SA, a string.");
  return name->get<std::string>();
}

Result<std::chrono::milliseconds> grace_in(const json& request) {
  const auto grace = request.find("grace_ms");
  if (grace == request.end()) return kDefaultGrace;
  if (!grace->is_number_unsigned() || grace->get<std::uint64_t>() > kMaxGraceMs)
    return fail(ErrorCode::invalid,
                fmt::format("'grace_ms' must be a number from 0 to {}.", kMaxGraceMs));
  return std::chrono::milliseconds(grace->get<std::uint64_t>());
}

// What neither the request nor the configuration says. A member that could not be read is not
// missing.
Result<void> check_complete(const SaSpec& sa, const json& given, bool all_read) {
  Complaints complaints;
  const auto missing = [&](const char* member) { return all_read || !given.contains(member); };
  if (sa.name.empty() && missing("name"))
    complaints.add({ErrorCode::invalid, "The SA needs a 'name' of its own."});
  if (sa.spi == 0 && missing("spi"))
    complaints.add(
        {ErrorCode::invalid, fmt::format("The SA needs an 'spi', a number from {} up.", kMinSpi)});
  if (sa.peer.address == IpAddress{.family = sa.peer.address.family} && missing("peer"))
    complaints.add({ErrorCode::invalid,
                    "The SA needs a 'peer': the address and port of the other end, such as "
                    "192.0.2.2:4500."});
  return complaints.result();
}

bool knows_transform(const json& sa) {
  const auto name = sa.find("transform");
  return name == sa.end() ||
         (name->is_string() && find_transform(name->get_ref<const std::string&>()));
}

// All that is wrong with the members of "sa" and with "keys", in one error.
Result<void> read_sa(const json& request, const SaKeys& keys, SaSpec& sa) {
  Complaints complaints;
  const auto given = request.find("sa");
  const bool is_object = given != request.end() && given->is_object();
  if (given == request.end()) {
    complaints.add({ErrorCode::invalid, "The request needs an \"sa\"."});
  } else {
    const auto read = sa_from_json(*given, sa);
    complaints.add(read);
    if (is_object) complaints.add(check_complete(sa, *given, read.has_value()));
  }
  const auto lifted = check_lifted(request);
  complaints.add(lifted);
  if (lifted && is_object && knows_transform(*given)) complaints.add(validate_keys(sa, keys));
  return complaints.result();
}

// The SA of a request with its keys, checked as far as they can be without the gateway.
Result<SaSpec> sa_in(const json& request, const SaKeys& keys, SaSpec base,
                     const GatewayConfig& config) {
  if (auto read = read_sa(request, keys, base); !read) return std::unexpected(read.error());
  if (auto valid = validate(base); !valid) return std::unexpected(valid.error());
  if (auto carried = check_carried(base, config); !carried) return std::unexpected(carried.error());
  return base;
}

// What an SA has where its request is silent: all that the tunnel says for the SA of its name, but
// the SPI; where it is of no tunnel, or not of that direction, this end of the gateway alone.
SaSpec base_of(const json& request, const GatewayConfig& config) {
  const auto sa = request.find("sa");
  if (sa == request.end() || !sa->is_object()) return own_end(config);
  const auto name = sa->find("name");
  if (name == sa->end() || !name->is_string()) return own_end(config);
  auto base = sa_of_tunnel(config, name->get_ref<const std::string&>());
  if (!base) return own_end(config);
  const auto direction = sa->find("direction");
  if (direction != sa->end() && *direction != to_string(base->direction)) return own_end(config);
  return std::move(*base);
}

// Under the name that people know: the gateway places an SA under one that is unique over rekeys.
Decision named(Decision decision, const std::string& sa) {
  decision.sa = sa;
  return decision;
}

ordered_json decision_json(const Decision& decision) {
  return {{"decision", ordered_json::parse(to_json(decision))}};
}

// Where the SA went, and what to know of its transform.
ordered_json placed_json(const Decision& decision, const SaSpec& sa) {
  ordered_json reply = decision_json(named(decision, sa.name));
  const TransformInfo* const info = transform_info(sa.transform);
  const bool warn = info != nullptr && !info->warning.empty();
  reply["warning"] = warn ? fmt::format("{}: {}", info->name, info->warning) : "";
  return reply;
}

// Which one was meant: a name that is near, or those that begin so.
std::string hint_of(std::span<const std::string_view> known, std::string_view name) {
  if (std::string near = did_you_mean(known, name); !near.empty()) return near;
  constexpr std::size_t kMost = 4;
  std::vector<std::string_view> begun;
  for (const std::string_view each : known)
    if (!name.empty() && each.starts_with(name) && begun.size() < kMost) begun.push_back(each);
  if (begun.empty()) return "; 'espalier sa list' shows what there is";
  return fmt::format("; what begins so is '{}'", fmt::join(begun, "', '"));
}

}  // namespace

ControlService::ControlService(SaControl& gateway, Monitor& monitor, SecretPool& secrets,
                               const GatewayConfig& config)
    : gateway_(gateway), monitor_(monitor), secrets_(secrets), config_(config) {}

ControlReply ControlService::answer(std::span<char> line) noexcept try {
  std::string verb;
  bool request_follows = false;
  const auto reply = [&]() -> Result<Json> {
    auto keys = lift_keys(line, secrets_);
    if (!keys) return std::unexpected(keys.error());
    const auto request = parse(line);
    if (!request) return std::unexpected(request.error());
    const auto found = find_verb(*request);
    if (!found) return std::unexpected(found.error());
    if (auto members = check_members(*request, **found); !members)
      return std::unexpected(members.error());
    verb = (*found)->name;
    request_follows = request->value("follow", json(false)) == true;
    return run(verb, *request, std::move(*keys));
  }();
  wipe(line.data(), line.size());
  if (!reply) return {line_of(error_json(reply.error())), false};
  Json whole = {{"ok", true}};
  whole.update(*reply);
  if (verb == "sa.list" || verb == "status") return with_sas(whole);
  const bool follow = verb == "events" && request_follows;
  return {line_of(whole), verb == "stop", follow};
} catch (const std::exception&) {
  wipe(line.data(), line.size());
  return {R"({"ok":false,"error":{"code":"io","message":"The gateway is out of memory."}})", false};
}

Result<ControlService::Json> ControlService::run(const std::string& verb, const json& request,
                                                 SaKeys keys) {
  if (verb == "sa.add") return add(request, std::move(keys));
  if (verb == "sa.rekey") return rekey(request, std::move(keys));
  if (verb == "sa.delete") return remove(request);
  if (verb == "explain") return explain(request);
  if (verb == "drops") return drops();
  if (verb == "status") return status();
  if (verb == "stop") return Json{{"pid", ::getpid()}};
  if (verb == "events") return events(request);
  return Json::object();  // with_sas() makes it whole
}

Result<ControlService::Json> ControlService::add(const json& request, SaKeys keys) {
  const auto sa = sa_in(request, keys, base_of(request, config_), config_);
  if (!sa) return std::unexpected(sa.error());
  if (auto apart = gateway_.check_overlap(*sa, ""); !apart) return std::unexpected(apart.error());
  const auto decision = gateway_.add(*sa, std::move(keys));
  if (!decision) return std::unexpected(decision.error());
  return placed_json(**decision, *sa);
}

Result<ControlService::Json> ControlService::rekey(const json& request, SaKeys keys) {
  const auto old = find(request);
  if (!old) return std::unexpected(old.error());
  const auto grace = grace_in(request);
  if (!grace) return std::unexpected(grace.error());
  const auto sa = sa_in(request, keys, old->spec, config_);
  if (!sa) return std::unexpected(sa.error());
  if (auto apart = gateway_.check_overlap(*sa, old->spec.name); !apart)
    return std::unexpected(apart.error());
  const auto decision = gateway_.rekey(old->spec.name, *sa, std::move(keys), *grace);
  if (!decision) return std::unexpected(decision.error());
  return placed_json(**decision, *sa);
}

Result<ControlService::Json> ControlService::remove(const json& request) {
  const auto name = name_in(request);
  if (!name) return std::unexpected(name.error());
  if (auto removed = gateway_.remove(*name); !removed) return std::unexpected(removed.error());
  return Json::object();
}

Result<GatewaySa> ControlService::find(const json& request) {
  const auto name = name_in(request);
  if (!name) return std::unexpected(name.error());
  if (auto found = gateway_.find(*name)) return std::move(*found);
  std::vector<std::string_view> known;
  for (const SaTraffic& sa : gateway_.traffic()) known.push_back(sa.name);
  return fail(ErrorCode::not_found,
              fmt::format("There is no SA named '{}'{}", *name, hint_of(known, *name)));
}

Result<ControlService::Json> ControlService::explain(const json& request) {
  const auto sa = find(request);
  if (!sa) return std::unexpected(sa.error());
  const Decision decision = named(*sa->decision, sa->spec.name);
  Json reply = decision_json(decision);
  std::string text = to_text(decision) + driver_words(sa->driver);
  if (!sa->note.empty())
    text += fmt::format("It is not where the policy wants it: {}.\n", sa->note);
  if (sa->status.expired && sa->note.empty())
    text +=
        "It has EXPIRED: its hard lifetime or its sequence numbers are used up, and it carries "
        "nothing. 'espalier sa rekey' replaces it.\n";
  if (const auto silent = monitor_.silent_for(sa->spec.peer.address))
    text += fmt::format(
        "Its peer {} is silent: for {} s it has been sent packets, and no packet of its SAs "
        "came.\n",
        to_string(sa->spec.peer.address), silent->count());
  reply["text"] = std::move(text);
  reply["backend"] = sa->status.backend;
  reply["device"] = sa->status.device;
  return reply;
}

// The reply with the member "sas" behind its others. Many SAs come in parts: those that come or go
// meanwhile are in it or not, and no other is there twice or missing.
ControlReply ControlService::with_sas(const Json& reply) {
  struct Sas {
    Monitor& monitor;
    std::string after{};
    bool ended = false;

    std::optional<std::string> operator()() {
      if (ended) return std::nullopt;
      const auto reports = monitor.reports(after, kSasAtOnce);
      ended = reports.size() < kSasAtOnce;
      std::string part;
      for (const SaReport& report : reports) {
        if (!after.empty()) part += ',';
        part += line_of(to_json(report));
        after = report.name;
      }
      return ended ? part + "]}" : part;
    }
  };
  std::string line = line_of(reply);
  line.back() = ',';  // instead of the closing brace
  Sas sas{monitor_};
  line += R"("sas":[)" + *sas();
  if (sas.ended) return {std::move(line)};
  return {std::move(line), false, false, std::move(sas)};
}

Result<ControlService::Json> ControlService::events(const json& request) const {
  const auto follow = request.find("follow");
  if (follow != request.end() && !follow->is_boolean())
    return fail(ErrorCode::invalid, "'follow' must be true or false.");
  auto list = Json::array();
  for (const LoggedEvent& event : events_.kept()) list.push_back(to_json(event));
  return Json{{"events", std::move(list)}};
}

std::string ControlService::note(GatewayEvent event) {
  return line_of(
      {{"event", to_json(events_.add(std::move(event), std::chrono::system_clock::now()))}});
}

ControlService::Json ControlService::status() {
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
  Json value = {{"pid", ::getpid()},
                {"site", config_.site},
                {"config", config_.file.native()},
                {"dataplane", to_string(config_.dataplane)},
                {"workers", config_.dataplane == Dataplane::kernel ? 0 : config_.workers},
                {"uptime_seconds", uptime.count()}};
  value.update(drops());
  return value;
}

ControlService::Json ControlService::drops() const {
  const DropCounts counts = gateway_.drops();
  return {{"drops", drops_json(counts)},
          {"xfrm_stat", xfrm_stat_json(counts)},
          {"wire", monitor_.port_counters()}};
}

}  // namespace espalier
