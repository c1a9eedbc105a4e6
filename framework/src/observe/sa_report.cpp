// SPDX-License-Identifier: Apache-2.0
#include "observe/sa_report.hpp"

#include "observe/rate_meter.hpp"

#include <fmt/format.h>

namespace espalier {

std::vector<PassedOver> passed_over(const Decision& decision, std::string_view backend,
                                    std::string_view device) {
  std::vector<PassedOver> others;
  for (const Candidate& candidate : decision.candidates)
    if (candidate.backend != backend || candidate.device != device)
      others.push_back({candidate.backend, candidate.device,
                        std::string(to_string(candidate.reason)), candidate.sentence});
  return others;
}

SaReport make_report(const GatewaySa& sa) {
  SaReport report;
  report.name = sa.spec.name;
  report.direction = to_string(sa.spec.direction);
  report.spi = sa.spec.spi;
  report.transform = to_string(sa.spec.transform);
  report.mode = to_string(sa.spec.mode);
  report.encapsulation = to_string(sa.spec.encapsulation);
  report.local = to_string(sa.spec.local);
  report.peer = to_string(sa.status.peer);
  report.backend = sa.status.backend;
  report.device = sa.status.device;
  report.worker = sa.status.worker;
  report.sequence = sa.status.sequence;
  report.packets = sa.status.packets;
  report.bytes = sa.status.bytes;
  report.errors = sa.status.errors;
  report.moves = sa.status.moves;
  report.expired = sa.status.expired;
  report.driver = sa.driver.name;
  report.driver_unknown = sa.driver.unknown;
  report.note = sa.note;
  if (sa.decision) report.others = passed_over(*sa.decision, report.backend, report.device);
  return report;
}

nlohmann::ordered_json to_json(const SaReport& report) {
  nlohmann::ordered_json value = {
      {"name", report.name},
      {"direction", report.direction},
      {"spi", report.spi},
      {"transform", report.transform},
      {"mode", report.mode},
      {"encapsulation", report.encapsulation},
      {"local", report.local},
      {"peer", report.peer},
      {"backend", report.backend},
      {"device", report.device},
      {"worker", report.worker},
      {"sequence", report.sequence},
      {"packets", report.packets},
      {"bytes", report.bytes},
      {"errors", report.errors},
      {"moves", report.moves},
      {"expired", report.expired},
      {"bits_per_second", report.bits_per_second},
      {"peak_bits_per_second", report.peak_bits_per_second},
  };
  if (report.peer_silent_seconds) value["peer_silent_seconds"] = *report.peer_silent_seconds;
  if (!report.driver.empty())
    value["driver"] = {{"name", report.driver},
                       {"status", report.driver_unknown.empty() ? "inferred" : "unknown"},
                       {"why", report.driver_unknown}};
  if (!report.note.empty()) value["note"] = report.note;
  value["others"] = nlohmann::ordered_json::array();
  for (const PassedOver& other : report.others)
    value["others"].push_back({{"backend", other.backend},
                               {"device", other.device},
                               {"reason", other.reason},
                               {"sentence", other.sentence}});
  return value;
}

SaReport sa_report_from_json(const nlohmann::ordered_json& value) {
  SaReport report;
  value.at("name").get_to(report.name);
  value.at("direction").get_to(report.direction);
  value.at("spi").get_to(report.spi);
  value.at("transform").get_to(report.transform);
  value.at("mode").get_to(report.mode);
  value.at("encapsulation").get_to(report.encapsulation);
  value.at("local").get_to(report.local);
  value.at("peer").get_to(report.peer);
  value.at("backend").get_to(report.backend);
  value.at("device").get_to(report.device);
  value.at("worker").get_to(report.worker);
  value.at("sequence").get_to(report.sequence);
  value.at("packets").get_to(report.packets);
  value.at("bytes").get_to(report.bytes);
  value.at("errors").get_to(report.errors);
  value.at("moves").get_to(report.moves);
  value.at("expired").get_to(report.expired);
  value.at("bits_per_second").get_to(report.bits_per_second);
  value.at("peak_bits_per_second").get_to(report.peak_bits_per_second);
  if (const auto silent = value.find("peer_silent_seconds"); silent != value.end())
    report.peer_silent_seconds = silent->get<std::uint64_t>();
  if (const auto driver = value.find("driver"); driver != value.end()) {
    driver->at("name").get_to(report.driver);
    driver->at("why").get_to(report.driver_unknown);
  }
  if (const auto note = value.find("note"); note != value.end()) note->get_to(report.note);
  for (const auto& other : value.at("others"))
    report.others.push_back(
        {other.at("backend"), other.at("device"), other.at("reason"), other.at("sentence")});
  return report;
}

std::string summary(std::span<const PassedOver> others) {
  std::string text;
  for (const PassedOver& other : others)
    text += fmt::format("{}{}{}{}: {}", text.empty() ? "" : "; ", other.backend,
                        other.device.empty() ? "" : "/", other.device, other.reason);
  return text;
}

namespace {

// Without UDP there is no port, and 0 stands for it.
std::string peer_address(const SaReport& report) {
  const bool no_port = report.peer.ends_with(":0") && report.encapsulation == "none";
  if (!no_port) return report.peer;
  std::string address = report.peer.substr(0, report.peer.size() - 2);
  return address.starts_with('[') ? address.substr(1, address.size() - 2) : address;
}

std::string peer_words(const SaReport& report) {
  if (!report.peer_silent_seconds) return peer_address(report);
  return fmt::format("{} (SILENT {} s)", peer_address(report), *report.peer_silent_seconds);
}

// A card's name, and the driver that the SA was steered to.
std::string device_words(const SaReport& report) {
  if (report.driver.empty()) return report.device;
  const char* status = report.driver_unknown.empty() ? "inferred" : "unknown";
  return fmt::format("{}: {} ({})", report.device, report.driver, status);
}

std::string others_words(const SaReport& report) {
  if (report.note.empty()) return summary(report.others);
  return fmt::format("{}; {}", report.note, summary(report.others));
}

}  // namespace

std::string render_sas(std::span<const SaReport> reports, const TextStyle& style) {
  if (reports.empty()) return "There are no SAs.\n";
  TextTable table({"SA", "SPI", "TRANSFORM", "PEER", "BACKEND", "DEVICE", ">PACKETS", ">ERRORS",
                   ">GBIT/S", ">PEAK", "OTHERS"});
  for (const SaReport& report : reports)
    table.add({report.expired ? report.name + " (EXPIRED)" : report.name,
               fmt::format("{:#010x}", report.spi), report.transform, peer_words(report),
               report.backend, device_words(report), fmt::to_string(report.packets),
               fmt::to_string(report.errors), gbits(report.bits_per_second),
               gbits(report.peak_bits_per_second), others_words(report)});
  return table.render(style);
}

}  // namespace espalier
