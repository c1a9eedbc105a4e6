// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <conform/score.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace espalier::conform {
namespace {

using testing::HasSubstr;
using testing::Not;
using State = Verdict::State;

const Case kTest{"bursts", "A case.", Scope::device, false, {Req::spoilt, Req::esn}, nullptr};

CaseResult result(std::string name, std::vector<Finding> findings, bool reached_end = true) {
  CaseResult r;
  r.name = std::move(name);
  r.test = &kTest;
  r.findings = std::move(findings);
  r.reached_end = reached_end;
  return r;
}

Finding failed(Req requirement, std::string words) {
  return {Finding::Kind::failed, requirement, std::move(words)};
}

Verdict on(const Score& score, Req requirement) {
  const auto all = verdicts(score);
  return *std::ranges::find_if(all,
                               [&](const Verdict& v) { return v.requirement->id == requirement; });
}

TEST(Verdicts, ARequirementHoldsWhereACaseChecksItToItsEndAndSaysNothing) {
  Score score;
  score.cases = {result("bursts:a", {})};
  EXPECT_EQ(on(score, Req::spoilt).state, State::holds);
  EXPECT_EQ(on(score, Req::manifest).state, State::not_checked);
}

TEST(Verdicts, CasesAreCountedAsPeopleDo) {
  Score score;
  score.cases = {result("bursts:a", {})};
  EXPECT_THAT(text_of(score, false), HasSubstr("; 1 case "));
  score.cases.push_back(result("bursts:b", {}));
  EXPECT_THAT(text_of(score, false), HasSubstr("; 2 cases "));
}

TEST(Verdicts, OneFailureOutweighsEverythingElse) {
  Score score;
  score.cases = {result("bursts:a", {}), result("bursts:b", {failed(Req::esn, "seen")})};
  const Verdict verdict = on(score, Req::esn);
  EXPECT_EQ(verdict.state, State::failed);
  ASSERT_EQ(verdict.seen.size(), 1U);
  EXPECT_EQ(verdict.seen[0].test, "bursts:b");
  EXPECT_EQ(on(score, Req::spoilt).state, State::holds);
}

TEST(Verdicts, ACaseThatEndedEarlyProvesNothing) {
  Score score;
  score.cases = {result("bursts:a", {failed(Req::esn, "seen")}, false)};
  EXPECT_EQ(on(score, Req::spoilt).state, State::not_checked);
}

// Where one case does not apply, another did before it ended.
TEST(Verdicts, ACaseThatEndedEarlyIsNotOutweighedByOneThatDoesNotApply) {
  Score score;
  score.cases = {result("bursts:a", {failed(Req::esn, "seen")}, false),
                 result("bursts:b", {{Finding::Kind::not_applicable, Req::spoilt, "it has none"}})};
  EXPECT_EQ(on(score, Req::spoilt).state, State::not_checked);
}

TEST(Verdicts, WhatDoesNotApplyIsToldApartFromWhatHolds) {
  Score score;
  score.cases = {result("bursts:a", {{Finding::Kind::not_applicable, Req::esn, "no ESN"}})};
  const Verdict verdict = on(score, Req::esn);
  EXPECT_EQ(verdict.state, State::not_applicable);
  EXPECT_EQ(verdict.seen.at(0).words, "no ESN");
}

// Everything but the case's own requirements is unchecked here, so only a filter lets it conform.
TEST(Score, AFilteredRunIsJudgedByWhatItWasAskedFor) {
  Score score;
  score.cases = {result("bursts:a", {})};
  EXPECT_FALSE(score.conforms());
  score.filter = "bursts";
  EXPECT_TRUE(score.conforms());
  score.cases.push_back(result("bursts:b", {failed(Req::esn, "seen")}));
  EXPECT_FALSE(score.conforms());
}

TEST(Score, ProvesNothingWhereTheKitItselfFailed) {
  Score score;
  score.filter = "bursts";
  score.cases = {result("bursts:a", {})};
  score.kit_errors = {"no memory"};
  EXPECT_FALSE(score.conforms());
  EXPECT_THAT(text_of(score, false), HasSubstr("nothing is proved"));
}

Score whole_run() {
  Score score;
  static const Case everything = [] {
    Case all{"all", "A case.", Scope::device, false, {}, nullptr};
    for (const Requirement& each : requirements()) all.checks.push_back(each.id);
    return all;
  }();
  score.cases = {result("all:a", {})};
  score.cases[0].test = &everything;
  score.devices.emplace_back().name = "card0";
  return score;
}

TEST(Score, ProvesNothingWhereNoDeviceWasThere) {
  Score score = whole_run();
  EXPECT_TRUE(score.conforms());
  score.devices[0].state = DeviceState::lost;
  EXPECT_FALSE(score.conforms());
  EXPECT_THAT(text_of(score, false), HasSubstr("No result: no device of it was here"));
  EXPECT_THAT(html_of(score), HasSubstr("No result: no device was here"));
}

TEST(Score, SaysThatAProfileHasCutIt) {
  Score score = whole_run();
  EXPECT_EQ(score.extent(), "full");
  score.budget.sessions = 1;
  EXPECT_EQ(score.extent(), "full, but by its profile 100000 packets, 1 sessions, 100 reopens");
  EXPECT_THAT(text_of(score, false), HasSubstr("(full, but by its profile"));
  EXPECT_EQ(nlohmann::json::parse(json_of(score))["extent"], score.extent());
  score.quick = true;
  score.budget = quick_budget();
  EXPECT_EQ(score.extent(), "quick");
}

TEST(Scorecard, SaysWhatWasSeenWhyItMattersAndHowToSeeItAgain) {
  Score score;
  score.plugin = "card.so";
  score.seed = 42;
  score.quick = true;
  score.options = R"({"path":"sse"})";
  score.profile = "sheet.toml";
  score.cases = {result("bursts:a", {failed(Req::esn, "byte 3 is wrong")})};
  const std::string text = text_of(score, false);
  EXPECT_THAT(text, HasSubstr("ESP-R065  With ESN the high sequence bits enter the ICV."));
  EXPECT_THAT(text, HasSubstr("why: RFC 4303"));
  EXPECT_THAT(text, HasSubstr("seen: bursts:a: byte 3 is wrong"));
  EXPECT_THAT(text, HasSubstr("espalier conform card.so --case bursts:a --seed 42 --quick "
                              "--profile sheet.toml --options '{\"path\":\"sse\"}'"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text_of(score, true), HasSubstr("\033[31mESP-R065"));
}

TEST(ScoreHtml, IsOneFileThatEscapesWhatThePluginSaid) {
  Score score;
  score.cases = {result("bursts:a", {failed(Req::esn, "<script>alert(1)</script> & more")})};
  const std::string html = html_of(score);
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("http:")));
  EXPECT_THAT(html, Not(HasSubstr("https:")));
}

TEST(ScoreJson, HoldsOneEntryARequirement) {
  Score score;
  score.cases = {result("bursts:a", {failed(Req::esn, "seen")})};
  const auto json = nlohmann::json::parse(json_of(score));
  EXPECT_EQ(json["requirements"].size(), requirements().size());
  EXPECT_FALSE(json["conforms"]);
}

TEST(CaseReport, KeepsWhatWasSaidBeforeTheProcessDied) {
  const CaseReport report = report_from_lines(
      "[\"at\",\"sealing\",\"\",\"t\"]\n[\"failed\",\"65\",\"wrong\",\"t\"]\n[\"at\",\"opening\","
      "\"\","
      "\"t\"]\n[\"at\",\"cut",
      "t");
  EXPECT_EQ(report.last_step, "opening");
  EXPECT_FALSE(report.complete);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].requirement, Req::esn);
  EXPECT_TRUE(report_from_lines("[\"done\",\"\",\"\",\"t\"]\n", "t").complete);
  EXPECT_TRUE(report_from_lines("[\"done\",\"stopped\",\"\",\"t\"]\n", "t").stopped);
}

TEST(CaseReport, BelievesNoLineThatAPluginMayHaveWritten) {
  const CaseReport report = report_from_lines(
      "nonsense\n{}\n[1,2,3]\n[\"failed\",\"x\",\"\",\"t\"]\n"
      "[\"failed\",\"9999\",\"\",\"t\"]\n[\"done\",\"\",\"\"]\n[\"done\",\"\",\"\",\"u\"]\n",
      "t");
  EXPECT_TRUE(report.findings.empty());
  EXPECT_FALSE(report.complete);
}

TEST(Job, TravelsAsItIs) {
  Job job;
  job.name = "bursts:cpu";
  job.test = "bursts";
  job.device = "cpu";
  job.seed = 0xffffffffffffffff;
  job.budget.packets = 17;
  job.token = "abc";
  job.options = R"({"path":"sse"})";
  const auto back = job_from_json(to_json(job));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, job.name);
  EXPECT_EQ(back->seed, job.seed);
  EXPECT_EQ(back->budget.packets, 17U);
  EXPECT_EQ(back->options, job.options);
  EXPECT_EQ(back->token, job.token);
  EXPECT_FALSE(job_from_json("{}"));
}

}  // namespace
}  // namespace espalier::conform
