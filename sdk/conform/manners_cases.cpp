// SPDX-License-Identifier: Apache-2.0
//
// What belongs to the whole process, before and after every kind of call.
#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <conform/cases.hpp>

#include <algorithm>
#include <chrono>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

namespace espalier::conform {
namespace {

struct Manners {
  std::string signals;
  std::string locale;
  std::uint64_t fpu = 0;
  std::string places;
  std::string environment;

  static Manners now();
};

std::string signal_state() {
  std::string state;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    if (sigaction(number, nullptr, &action) != 0) continue;
    state += fmt::format("{}:{:x} ", number, reinterpret_cast<std::uintptr_t>(action.sa_handler));
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int number = 1; number < NSIG; ++number)
    state += sigismember(&mask, number) == 1 ? '1' : '0';
  return state;
}

Manners Manners::now() {
  Manners m;
  m.signals = signal_state();
  m.locale = std::setlocale(LC_ALL, nullptr);
  if (uselocale(nullptr) != LC_GLOBAL_LOCALE) m.locale += ", with one of its own for the thread";
  m.fpu = fpu_state();
  const mode_t mask = umask(0);
  umask(mask);
  char folder[PATH_MAX] = "";
  m.places = fmt::format("umask {:03o} in {}", mask, getcwd(folder, sizeof folder) ? folder : "?");
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    m.environment += fmt::format("{}\n", *entry);
  return m;
}

class Watch {
 public:
  explicit Watch(Run& run) : run_(run), before_(Manners::now()) {}

  void after(std::string_view call) {
    const Manners now = Manners::now();
    const auto same = [&](bool holds, Req broken, std::string words) {
      if (!holds) run_.fail(broken, fmt::format("{} changed {}", call, words));
    };
    same(now.signals == before_.signals, Req::signals, "a signal handler or the signal mask");
    same(now.locale == before_.locale, Req::locale,
         fmt::format("the locale from {} to {}", before_.locale, now.locale));
    same(now.fpu == before_.fpu, Req::fpu,
         fmt::format("the floating point state from {:#x} to {:#x}", before_.fpu, now.fpu));
    same(now.places == before_.places, Req::umask,
         fmt::format("'{}' to '{}'", before_.places, now.places));
    same(now.environment == before_.environment, Req::environment, "the environment");
    before_ = now;
  }

 private:
  Run& run_;
  Manners before_;
};

std::set<std::string> entries(const char* folder) {
  std::set<std::string> names;
  DIR* open = opendir(folder);
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open))
    if (entry->d_name[0] != '.') names.insert(entry->d_name);
  names.erase(std::to_string(dirfd(open)));
  closedir(open);
  return names;
}

std::string children() {
  std::string all;
  for (const auto& task : entries("/proc/self/task")) {
    std::ifstream file("/proc/self/task/" + task + "/children");
    for (std::string pid; file >> pid;) all += pid + " ";
  }
  return all;
}

void use(Run& run, Watch& watch, Req broken) {
  run.at("negotiating");
  Backend backend(run, run.entry(), run.job().options, broken);
  watch.after("negotiate()");
  const auto devices = backend.devices();
  watch.after("describing itself");
  for (const Device& info : devices) {
    if (info.dataplane != Dataplane::userspace || info.state == DeviceState::lost) continue;
    OpenedDevice device(run, backend, info);
    watch.after("device_open()");
    {
      PacketMemory memory(device, 1U << 20);
      Lane lane(device);
      watch.after("queue_open()");
      for (const Sa& sa : device.sas(run.random(), "")) {
        for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
          if (!device.does(*sa.info, direction, sa.esn)) continue;
          run.at("a session and a packet");
          const auto session = device.open(sa, direction);
          watch.after("session_open() of " + sa.name());
          memory.reset();
          const Spot spot = memory.take(sa.length(256));
          auto op = make_op(session, sa, spot);
          lane.complete(op);
          watch.after("a packet of " + sa.name());
          device.close(session);
          watch.after("session_close()");
        }
      }
    }
    watch.after("queue_close()");
  }
}

void manners(Run& run) {
  Watch watch(run);
  run.entry();
  watch.after("loading it");
  const auto threads = entries("/proc/self/task");
  use(run, watch, Req::described);
  watch.after("close()");
  const auto once = entries("/proc/self/fd");
  use(run, watch, Req::backend_again);
  watch.after("close()");
  const auto gone_by = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (entries("/proc/self/task") != threads && std::chrono::steady_clock::now() < gone_by)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (const auto left = entries("/proc/self/task"); left.size() > threads.size())
    run.fail(Req::threads, fmt::format("{} threads of it are left a second after close()",
                                       left.size() - threads.size()));
  if (const auto left = children(); !left.empty())
    run.fail(Req::threads, "child processes of it are left after close(): " + left);
  if (const auto twice = entries("/proc/self/fd"); twice.size() > once.size())
    run.fail(Req::descriptors, fmt::format("opened and closed once more, it leaves {} descriptors "
                                           "open instead of {}",
                                           twice.size(), once.size()));
}

// What is judged comes after it: the process ends by exit().
void ends(Run& run) {
  Watch watch(run);
  use(run, watch, Req::described);
  run.at("ending the process");
}

}  // namespace

std::vector<Case> manners_cases() {
  return {{"exit", "A process that has used it ends.", Scope::plugin, false, {Req::ends}, ends},
          {"manners",
           "It leaves alone what belongs to the whole process.",
           Scope::plugin,
           false,
           {Req::signals, Req::locale, Req::fpu, Req::umask, Req::environment, Req::threads,
            Req::descriptors, Req::silent, Req::no_crash, Req::no_exit, Req::no_hang,
            Req::no_exception},
           manners}};
}

}  // namespace espalier::conform
