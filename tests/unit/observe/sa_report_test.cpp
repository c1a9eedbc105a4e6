// SPDX-License-Identifier: Apache-2.0
#include "observe/sa_report.hpp"

#include "unit/observe/sas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace espalier {
namespace {

using test::gateway_sa;
using testing::HasSubstr;

SaReport full_report() {
  GatewaySa sa = gateway_sa("office/out", Direction::outbound);
  sa.status.packets = 1234;
  sa.status.bytes = 1u << 20;
  sa.status.errors = 5;
  sa.status.moves = 2;
  sa.status.peer = sa.spec.peer;
  sa.status.sequence = (std::uint64_t{1} << 33) + 1;
  SaReport report = make_report(sa);
  report.bits_per_second = 940'000'000;
  report.peak_bits_per_second = 1'500'000'000;
  return report;
}

TEST(SaReport, SaysWhereTheSaIsAndWhyNotElsewhere) {
  const SaReport report = full_report();
  EXPECT_EQ(report.backend, "aesni");
  EXPECT_EQ(report.peer, "192.0.2.2:4500");
  ASSERT_EQ(report.others.size(), 2u);
  EXPECT_EQ(report.others[0], (PassedOver{"qat", "", "device.absent", "is not there"}));
  EXPECT_EQ(summary(report.others), "qat: device.absent; openssl/cpu: not_needed");
}

TEST(SaReport, ReportsWhereTheSaIsNowNotWhereItWasFirstPlaced) {
  GatewaySa sa = gateway_sa("office/out", Direction::outbound);
  sa.status.backend = "openssl";  // moved
  const SaReport report = make_report(sa);
  EXPECT_EQ(report.backend, "openssl");
  ASSERT_EQ(report.others.size(), 2u);
  EXPECT_EQ(report.others[1].backend, "aesni");
}

TEST(SaReport, SurvivesJsonUnchanged) {
  const SaReport report = full_report();
  const auto text = to_json(report).dump();
  EXPECT_EQ(sa_report_from_json(nlohmann::ordered_json::parse(text)), report);
}

TEST(SaReport, SaysForHowLongItsPeerIsSilent) {
  SaReport report = full_report();
  EXPECT_FALSE(to_json(report).contains("peer_silent_seconds"));
  report.peer_silent_seconds = 45;
  EXPECT_EQ(sa_report_from_json(to_json(report)), report);
  EXPECT_THAT(render_sas(std::array{report}, {}), HasSubstr("192.0.2.2:4500 (SILENT 45 s)"));
}

TEST(SaReport, SaysThatADriverOfTheKernelIsInferredOrWhyItIsUnknown) {
  GatewaySa sa = gateway_sa("office/out", Direction::outbound);
  sa.driver.name = "pcrypt(seqiv(rfc4106-gcm-aesni))";
  const SaReport inferred = make_report(sa);
  EXPECT_EQ(to_json(inferred).at("driver").at("status"), "inferred");
  EXPECT_THAT(render_sas(std::array{inferred}, {}),
              HasSubstr("cpu: pcrypt(seqiv(rfc4106-gcm-aesni)) (inferred)"));
  sa.driver.unknown = "two more users are there";
  const SaReport unknown = make_report(sa);
  EXPECT_EQ(to_json(unknown).at("driver").at("status"), "unknown");
  EXPECT_EQ(sa_report_from_json(to_json(unknown)), unknown);
  EXPECT_THAT(render_sas(std::array{unknown}, {}), HasSubstr("(unknown)"));
}

TEST(SaReport, RefusesJsonThatIsNoReport) {
  EXPECT_THROW(sa_report_from_json(nlohmann::ordered_json::parse(R"({"name":"x"})")),
               nlohmann::json::exception);
}

TEST(RenderSas, IsOneLineForEachSa) {
  const std::array reports = {full_report()};
  EXPECT_EQ(
      render_sas(reports, {}),
      "SA          SPI         TRANSFORM    PEER            BACKEND  DEVICE  PACKETS  ERRORS  "
      "GBIT/S  PEAK  OTHERS\n"
      "office/out  0x00001001  aes256gcm16  192.0.2.2:4500  aesni    cpu        1234       5  "
      "  0.94  1.50  qat: device.absent; openssl/cpu: not_needed\n");
}

TEST(RenderSas, MarksWhatCarriesNothingMore) {
  SaReport expired = full_report();
  expired.expired = true;
  const std::array reports = {expired};
  EXPECT_THAT(render_sas(reports, {}), HasSubstr("\noffice/out (EXPIRED)  0x00001001  "));
}

TEST(RenderSas, NamesNoPortWhereThereIsNone) {
  SaReport raw = full_report();
  raw.encapsulation = "none";
  raw.peer = "192.0.2.2:0";
  SaReport raw6 = raw;
  raw6.peer = "[2001:db8::2]:0";
  const std::array reports = {raw, raw6};
  EXPECT_THAT(render_sas(reports, {}), HasSubstr("  192.0.2.2    "));
  EXPECT_THAT(render_sas(reports, {}), HasSubstr("  2001:db8::2  "));
}

TEST(RenderSas, SaysWhenThereAreNone) { EXPECT_EQ(render_sas({}, {}), "There are no SAs.\n"); }

}  // namespace
}  // namespace espalier
