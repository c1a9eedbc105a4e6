// SPDX-License-Identifier: Apache-2.0
//
// GoogleMock doubles of the C++ layer's three classes, for tests that set expectations on calls.
// For a backend that behaves, and misbehaves on request, take fake_backend.hpp.
#pragma once

#include <espalier/plugin.hpp>

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace espalier::mock {

class MockQueue : public sdk::Queue {
 public:
  MOCK_METHOD(espalier_status, process, (espalier_op* const* ops, std::uint32_t n), (override));
  MOCK_METHOD(std::uint32_t, submit, (espalier_op* const* ops, std::uint32_t n), (override));
  MOCK_METHOD(std::uint32_t, poll, (espalier_op * *ops, std::uint32_t n), (override));
  MOCK_METHOD(espalier_status, quiesce, (std::uint64_t deadline_ns), (override));
};

class MockDevice : public sdk::Device {
 public:
  MOCK_METHOD(sdk::Result<std::uint64_t>, session_open, (const espalier_session_params& params),
              (override));
  MOCK_METHOD(void, session_close, (std::uint64_t session), (override));
  MOCK_METHOD(sdk::Result<std::unique_ptr<sdk::Queue>>, queue_open, (), (override));
  MOCK_METHOD(sdk::Result<std::uint64_t>, mem_attach, (void* base, std::uint64_t size), (override));
  MOCK_METHOD(void, mem_detach, (void* base, std::uint64_t size), (override));
};

class MockBackend : public sdk::Backend {
 public:
  MOCK_METHOD(sdk::Result<std::vector<espalier_device_info>>, enumerate, (), (override));
  MOCK_METHOD(sdk::Result<std::vector<espalier_capability>>, caps, (std::uint64_t device),
              (override));
  MOCK_METHOD(sdk::Result<std::vector<espalier_pool>>, pools, (std::uint64_t device), (override));
  MOCK_METHOD(espalier_health, health, (std::uint64_t device), (override));
  MOCK_METHOD(sdk::Result<std::unique_ptr<sdk::Device>>, open, (std::uint64_t device), (override));
  MOCK_METHOD(sdk::Result<espalier_recipe>, recipe, (std::uint64_t device, const espalier_sa& sa),
              (override));
};

}  // namespace espalier::mock
