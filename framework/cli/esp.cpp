// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "run_keys.hpp"
#include "run_places.hpp"
#include "verbs.hpp"

#include "gateway/capture_side.hpp"
#include "gateway/site_view.hpp"
#include "io/capture_port.hpp"
#include "observe/render.hpp"
#include "observe/sa_report.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace espalier::cli {
namespace {

constexpr std::chrono::seconds kLastPackets{10};  // for what a device still holds at the end

// Why a frame of the capture was passed over: the name in JSON, and for people.
struct Skipped {
  const char* name;
  const char* words;
};
constexpr Skipped kSkipped[io::kNoPacketKinds] = {{"truncated", "cut short by the capture"},
                                                  {"not_ip", "no IP packet"},
                                                  {"not_esp", "no ESP packet"},
                                                  {"fragment", "a fragment of an outer packet"},
                                                  {"too_long", "longer than an IP packet can be"},
                                                  {"other_direction", "of the other direction"},
                                                  {"of_others", "ESP between others"}};

struct Options {
  ConfigOptions config;
  std::filesystem::path input;
  std::filesystem::path output;
  std::uint64_t first_sequence = 1;
  bool json = false;
};

// One capture through the engine of `run`: the same placing, the same packet path, files for ports.
// Members are destroyed in reverse order.
class Conversion {
 public:
  Conversion(GatewayConfig config, Direction direction, SecretPool& secrets, const Console& console)
      : config_(std::move(config)), direction_(direction), secrets_(secrets), console_(console) {}

  // What can fail without harm comes before keys are claimed.
  Result<void> prepare(const Options& options);
  Result<void> run();
  int report(const Options& options) const;

 private:
  Result<void> prepare_engine(const std::vector<SaSpec>& specs);
  Result<bool> has_work(const Options& options) const;
  Result<void> add_sas(const std::vector<SaSpec>& specs);
  void skip_what_is_not_ours(std::set<std::uint32_t> inbound_spis);
  std::uint64_t dropped() const;
  nlohmann::ordered_json skipped() const;

  GatewayConfig config_;
  const Direction direction_;
  SecretPool& secrets_;
  const Console& console_;
  std::optional<io::CapturePass> pass_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Gateway> gateway_;
};

Result<io::CapturePass> open_pass(const Options& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.input, options.output, error))
    return fail(ErrorCode::invalid,
                fmt::format("'{}' cannot be read and written at the same time: give the output "
                            "another name.",
                            options.input.native()));
  auto reader = io::CaptureReader::open(options.input);
  if (!reader) return std::unexpected(reader.error());
  auto writer = io::CaptureWriter::create(options.output);
  if (!writer) return std::unexpected(writer.error());
  return io::CapturePass(std::move(*reader), std::move(*writer));
}

Result<void> Conversion::prepare(const Options& options) {
  auto specs = sa_specs(config_, "");
  if (!specs) return std::unexpected(specs.error());
  std::erase_if(config_.tunnels, [this](const auto& tunnel) { return !is_own(tunnel, config_); });
  for (const SaSpec& sa : *specs) {
    if (auto good = check_first_sequence(sa, options.first_sequence); !good) return good;
  }
  if (auto prepared = prepare_engine(*specs); !prepared) return prepared;
  auto pass = open_pass(options);
  if (!pass) return std::unexpected(pass.error());
  pass_.emplace(std::move(*pass));
  const auto encapsulation = encapsulation_of(config_);
  if (!encapsulation) return std::unexpected(encapsulation.error());
  const std::uint16_t port = config_.sites.at(config_.site).outer.port;
  std::vector<WorkerPorts> ports;
  if (direction_ == Direction::outbound)
    ports.push_back({io::make_clear_source(*pass_), io::make_wire_sink(*pass_, *encapsulation)});
  else
    ports.push_back({io::make_clear_sink(*pass_), io::make_wire_source(*pass_, port)});
  EngineOptions engine_options;
  engine_options.first_sequence = options.first_sequence;
  // A packet's high sequence bits follow from the newest before it: of a capture that begins close
  // before 2^32 that is in the same burst, and not yet known.
  if (direction_ == Direction::inbound) engine_options.burst = 1;
  auto engine = Engine::create(engine_options, std::move(ports));
  if (!engine) return std::unexpected(engine.error());
  engine_ = std::move(*engine);
  gateway_ = std::make_unique<Gateway>(*registry_, *placer_, *engine_,
                                       [this](int, std::string_view text) { console_.tell(text); });
  const auto work = has_work(options);
  if (!work) return std::unexpected(work.error());
  if (*work) return add_sas(*specs);
  skip_what_is_not_ours({});
  return {};
}

// Keys serve one run, so none are claimed for a capture in which there is nothing to encrypt. A
// pipe can be read only once.
Result<bool> Conversion::has_work(const Options& options) const {
  std::error_code error;
  if (direction_ == Direction::inbound || !std::filesystem::is_regular_file(options.input, error))
    return true;
  auto reader = io::CaptureReader::open(options.input);
  if (!reader) return std::unexpected(reader.error());
  return io::holds(std::move(*reader), [side = CaptureSide(config_, {})](const auto& packet) {
    return side.is_outbound(packet);
  });
}

void Conversion::skip_what_is_not_ours(std::set<std::uint32_t> inbound_spis) {
  pass_->skip([this, side = CaptureSide(config_, std::move(inbound_spis))](const auto& packet) {
    return direction_ == Direction::outbound ? side.not_to_encrypt(packet)
                                             : side.not_to_decrypt(packet);
  });
}

Result<void> Conversion::prepare_engine(const std::vector<SaSpec>& specs) {
  auto registry = load_backends(backend_options(config_), secrets_,
                                [this](int, std::string_view text) { console_.tell(text); });
  if (!registry) return std::unexpected(registry.error());
  registry_ = std::move(*registry);
  placer_ = std::make_unique<Placer>(*registry_, config_.policy);
  return check_places(specs, *placer_, config_.policy);
}

Result<void> Conversion::add_sas(const std::vector<SaSpec>& specs) {
  auto keyed = direction_ == Direction::outbound ? claim_keys(config_, specs, secrets_)
                                                 : inbound_keys(config_, specs, secrets_);
  if (!keyed) return std::unexpected(keyed.error());
  std::set<std::uint32_t> inbound_spis;
  for (KeyedSa& sa : *keyed) {
    if (sa.spec.direction == Direction::inbound) inbound_spis.insert(sa.spec.spi);
    if (sa.spec.direction != direction_) continue;
    if (auto added = gateway_->add(sa.spec, std::move(sa.keys)); !added)
      return std::unexpected(added.error());
  }
  if (gateway_->list().empty())
    return fail(ErrorCode::not_found,
                fmt::format("No tunnel of site '{}' has keys that this configuration knows: SAs by "
                            "control socket are those of a running gateway alone.",
                            config_.site));
  skip_what_is_not_ours(std::move(inbound_spis));
  return {};
}

std::uint64_t Conversion::dropped() const {
  const DropCounts drops = gateway_->drops();
  return std::accumulate(drops.begin(), drops.end(), std::uint64_t{0});
}

// Every packet is written or dropped in the end; a device may take its time for the last ones. No
// more are under way than fit the queue of any device: a file can wait.
Result<void> Conversion::run() {
  constexpr std::uint64_t kUnderWay = 64;
  while (!pass_->exhausted()) {
    const auto& counts = pass_->counts();
    const std::uint64_t under_way = counts.packets - counts.written - dropped();
    pass_->allow(kUnderWay - std::min(under_way, kUnderWay));
    engine_->turn(0);
  }
  const auto limit = std::chrono::steady_clock::now() + kLastPackets;
  while (pass_->counts().written + dropped() < pass_->counts().packets &&
         std::chrono::steady_clock::now() < limit)
    engine_->turn(0);
  if (pass_->counts().written > 0)  // else the output stays as it was
    if (auto finished = pass_->finish(); !finished) return finished;
  return pass_->reading();
}

nlohmann::ordered_json Conversion::skipped() const {
  nlohmann::ordered_json counts;
  for (std::size_t i = 0; i < io::kNoPacketKinds; ++i)
    counts[kSkipped[i].name] = pass_->counts().skipped[i];
  return counts;
}

int Conversion::report(const Options& options) const {
  const auto& counts = pass_->counts();
  std::vector<SaReport> reports;
  for (const GatewaySa& sa : gateway_->list()) reports.push_back(make_report(sa));
  const auto drops = drops_json(gateway_->drops());
  if (options.json) {
    auto list = nlohmann::ordered_json::array();
    for (const SaReport& report : reports) list.push_back(to_json(report));
    console_.print_json({{"output", options.output.native()},
                         {"frames", counts.frames},
                         {"packets", counts.packets},
                         {"written", counts.written},
                         {"skipped", skipped()},
                         {"drops", drops},
                         {"sas", list}});
  } else {
    console_.print(fmt::format("{} read, {} written to {}\n", counted(counts.frames, "frame"),
                               counted(counts.written, "packet"), options.output.native()));
    for (std::size_t i = 0; i < io::kNoPacketKinds; ++i)
      if (counts.skipped[i] > 0)
        console_.print(fmt::format("{} passed over: {}\n", counted(counts.skipped[i], "frame"),
                                   kSkipped[i].words));
    console_.print('\n' + render_sas(reports, console_.style()));
    console_.print('\n' + render_drops(drops, console_.style()));
  }
  if (counts.written > 0) return kDone;
  console_.tell(fmt::format(
      "Nothing of '{}' could be {}; '{}' is as it was{}.", options.input.native(),
      direction_ == Direction::outbound ? "encrypted" : "decrypted", options.output.native(),
      direction_ == Direction::outbound && gateway_->list().empty() ? ", and no keys are used up"
                                                                    : ""));
  return kFailed;
}

int convert(const Options& options, Direction direction, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  auto config = configuration(options.config, **secrets, console);
  if (!config) return kUsage;
  if (config->site.empty()) {
    console.tell("Say with --site which site's SAs are meant.");
    return kUsage;
  }
  Conversion conversion(std::move(*config), direction, **secrets, console);
  if (auto prepared = conversion.prepare(options); !prepared) return console.fail(prepared.error());
  const auto done = conversion.run();
  const int code = conversion.report(options);
  return done ? code : console.fail(done.error());
}

CLI::App* add_part(CLI::App& esp, const char* name, const char* help, Options& options) {
  auto* part = esp.add_subcommand(name, help);
  add_config_options(*part, options.config);
  part->add_option("INPUT", options.input, "The capture to read: pcap or pcapng")->required();
  part->add_option("OUTPUT", options.output,
                   "The pcap file to write; replaced at the end, if a packet came out")
      ->required();
  part->add_option("--keys", options.config.overrides.key_folder,
                   "Folder of the one-time key files");
  part->add_flag("--json", options.json, "The summary as JSON");
  return part;
}

void add_first_sequence(CLI::App& part, Options& options, const char* help) {
  part.add_option("--first-sequence", options.first_sequence, help)
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void add_esp(CLI::App& app, const Console& console, int& exit_code) {
  auto* esp = app.add_subcommand(
      "esp", "Encrypt or decrypt a capture file with the SAs of a configuration; needs no root");
  esp->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  auto* encrypt =
      add_part(*esp, "encrypt", "Inner packets in, ESP with outer headers out", *options);
  encrypt->add_option("--state", options->config.overrides.state_directory,
                      "Folder of the claims of used key files");
  add_first_sequence(
      *encrypt, *options,
      "Sequence number of the first packet of each SA, to try how the other end takes\n"
      "it, as 4294967290 with ESN");
  encrypt->footer(
      "Sends what the site would send: one-time key files are claimed, as by 'run'; copy them\n"
      "before if the result is to be decrypted. The claims are written to the state directory,\n"
      "which for others than root is best a folder of their own (--state).\n"
      "Example:\n  espalier esp encrypt site.toml inner.pcap esp.pcap --site left --keys keys");
  encrypt->callback(
      [=, &console, &exit_code] { exit_code = convert(*options, Direction::outbound, console); });

  auto* decrypt = add_part(*esp, "decrypt", "ESP in, inner packets out", *options);
  add_first_sequence(*decrypt, *options,
                     "Sequence number that each SA's packets have at the least (but for a replay\n"
                     "window), and at the most 2^32 more in the first of them: with ESN, for a\n"
                     "capture that begins later than with the first packet");
  decrypt->footer(
      "Reads what the site would receive. Key files are only read: nothing is encrypted. 'run' "
      "and\n"
      "'esp encrypt' take the keys out of a file: copy it before, for captures of that run. ESN "
      "is\n"
      "half on the wire: a capture of packets beyond the 2^32nd needs --first-sequence, as does "
      "what\n"
      "'esp encrypt --first-sequence' has made beyond it; else none of them is authentic\n"
      "(in_bad_icv).\n"
      "Example:\n  espalier esp decrypt site.toml wire.pcapng inner.pcap --site right --keys keys");
  decrypt->callback(
      [=, &console, &exit_code] { exit_code = convert(*options, Direction::inbound, console); });
}

}  // namespace espalier::cli
