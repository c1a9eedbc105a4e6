// SPDX-License-Identifier: Apache-2.0
#include "plugin_folder.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <load/sealed_image.hpp>

#include <cerrno>

namespace espalier::load {
namespace {

class SealedImage : public ::testing::Test {
 protected:
  const std::vector<std::uint8_t> bytes = {1, 2, 3, 4};
  const Descriptor image = seal(bytes, "test").value();
};

TEST_F(SealedImage, HoldsWhatWasPutIn) {
  const auto view = ImageView::map(image.get()).value();
  EXPECT_TRUE(std::ranges::equal(view.bytes(), bytes));
}

TEST_F(SealedImage, CannotBeChangedByAnybody) {
  EXPECT_EQ(write(image.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(image.get(), 1), -1);
  EXPECT_EQ(ftruncate(image.get(), 100), -1);
  EXPECT_EQ(mmap(nullptr, 4, PROT_READ | PROT_WRITE, MAP_SHARED, image.get(), 0), MAP_FAILED);
  EXPECT_EQ(fcntl(image.get(), F_ADD_SEALS, 0), -1);
  const std::string path = "/proc/self/fd/" + std::to_string(image.get());
  const Descriptor again(open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(write(again.get(), "x", 1), -1);
}

TEST_F(SealedImage, IsNotInheritedByOtherPrograms) {
  EXPECT_EQ(fcntl(image.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(SealedImage, MayBeEmpty) {
  const auto empty = seal(std::span<const std::uint8_t>{}, "empty").value();
  EXPECT_TRUE(ImageView::map(empty.get())->bytes().empty());
}

TEST_F(SealedImage, IsACopyOfAFileOfAnyLength) {
  const test::PluginFolder folder;
  const auto path = folder.path() / std::string(200, 'n');
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{200'000}}) {
    test::write_file(path, std::string(size, 'x'));
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto copy = seal(file.get(), path.filename().string());
    ASSERT_TRUE(copy) << copy.error().message;
    test::write_file(path, "changed");
    const auto view = ImageView::map(copy->get()).value();
    EXPECT_EQ(view.bytes().size(), size);
    EXPECT_TRUE(std::ranges::all_of(view.bytes(), [](std::uint8_t byte) { return byte == 'x'; }));
  }
}

}  // namespace
}  // namespace espalier::load
