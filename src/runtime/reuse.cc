// The C library returns large buffers to the system at once, and the system clears every page of the next one: two
// fifths of a convolution network's time on a CPU. Here a thread that runs a network carves them from one range of
// addresses, whose pages stay its own for as long as it says.
#include "reuse.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tomocut {
namespace {
// Smaller buffers come from the C library's own lists.
constexpr std::size_t kLeast = std::size_t{1} << 20;
// Buffers start at multiples of this, so that nothing is shared between pages.
constexpr std::size_t kPage = 4096;
// Threads that keep memory at one time; those beyond are served by the C library.
constexpr std::size_t kRanges = 64;

// Addresses as large as the machine's memory, of which only what is touched takes any. Free parts lie in order of their
// addresses and the first that fits is taken, so that the touched ones stay together.
class Range {
public:
  explicit Range(std::size_t bytes) : bytes_(bytes) {
    void *start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start != MAP_FAILED) {
      start_ = static_cast<std::uint8_t *>(start);
      free_[0] = bytes;
    }
  }
  ~Range() {
    if (start_ != nullptr) {
      munmap(start_, bytes_);
    }
  }
  Range(const Range &) = delete;
  Range &operator=(const Range &) = delete;

  bool holds(const void *data) const {
    const auto *byte = static_cast<const std::uint8_t *>(data);
    return start_ != nullptr && byte >= start_ && byte < start_ + bytes_;
  }

  // Null where nothing fits.
  void *take(std::size_t bytes) {
    for (auto part = free_.begin(); part != free_.end(); ++part) {
      const auto [offset, length] = *part;
      if (length < bytes) {
        continue;
      }
      used_[offset] = bytes;
      free_.erase(part);
      if (length > bytes) {
        free_[offset + bytes] = length - bytes;
      }
      return start_ + offset;
    }
    return nullptr;
  }

  void give_back(void *data) {
    const auto used = used_.find(static_cast<std::size_t>(static_cast<std::uint8_t *>(data) - start_));
    if (used == used_.end()) {
      return;
    }
    const auto [offset, length] = *used;
    used_.erase(used);
    auto part = free_.emplace(offset, length).first;
    const auto next = std::next(part);
    if (next != free_.end() && offset + length == next->first) {
      part->second += next->second;
      free_.erase(next);
    }
    if (part != free_.begin()) {
      const auto before = std::prev(part);
      if (before->first + before->second == offset) {
        before->second += part->second;
        free_.erase(part);
      }
    }
    if (closed_) {
      madvise(data, length, MADV_DONTNEED);
    }
  }

  // The thread needs it no more: what is free goes back to the system now, the rest as it is freed.
  void close() {
    closed_ = true;
    for (const auto &[offset, length] : free_) {
      madvise(start_ + offset, length, MADV_DONTNEED);
    }
  }

  bool is_done() const { return closed_ && used_.empty(); }

private:
  std::uint8_t *start_ = nullptr;
  std::size_t bytes_;
  std::map<std::size_t, std::size_t> free_;
  std::map<std::size_t, std::size_t> used_;
  bool closed_ = false;
};

// A tensor may be freed by another thread than its own, so that one lock guards all ranges.
struct Shared {
  std::mutex lock;
  std::array<Range *, kRanges> ranges{};
  std::atomic<int> count{0};
  c10::Allocator *base = nullptr;
};

// Never destroyed: tensors may outlive all static objects.
Shared &shared() {
  static auto *all = new Shared;
  return *all;
}

thread_local Range *this_thread = nullptr;
thread_local int depth = 0;

void remove_if_done(Shared &all, std::size_t slot) {
  if (all.ranges[slot]->is_done()) {
    delete all.ranges[slot];
    all.ranges[slot] = nullptr;
    all.count -= 1;
  }
}

void release(void *data) {
  Shared &all = shared();
  if (all.count > 0) {
    const std::lock_guard<std::mutex> guard(all.lock);
    for (std::size_t slot = 0; slot < kRanges; ++slot) {
      if (all.ranges[slot] != nullptr && all.ranges[slot]->holds(data)) {
        all.ranges[slot]->give_back(data);
        remove_if_done(all, slot);
        return;
      }
    }
  }
  all.base->raw_deallocate(data);
}

class ReusingAllocator final : public c10::Allocator {
public:
  c10::DataPtr allocate(std::size_t bytes) override {
    Shared &all = shared();
    if (this_thread != nullptr && bytes >= kLeast && bytes < SIZE_MAX - kPage) {
      const std::lock_guard<std::mutex> guard(all.lock);
      void *data = this_thread->take((bytes + kPage - 1) / kPage * kPage);
      if (data != nullptr) {
        return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
      }
    }
    return all.base->allocate(bytes);
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void *to, const void *from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
};

// Whether libtorch asks this allocator, which it does from the first call on. It passes on what no thread wants kept.
bool installed() {
  static const bool done = [] {
    Shared &all = shared();
    all.base = c10::GetCPUAllocator();
    if (all.base == nullptr || all.base->raw_deleter() == nullptr) {
      return false;
    }
    c10::SetCPUAllocator(new ReusingAllocator);
    return dynamic_cast<ReusingAllocator *>(c10::GetCPUAllocator()) != nullptr;
  }();
  return done;
}

std::size_t memory_of_machine() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0;
}
} // namespace

void begin_reuse() noexcept {
  try {
    depth += 1;
    if (depth > 1 || !installed()) {
      return;
    }
    auto *range = new Range(memory_of_machine());
    Shared &all = shared();
    const std::lock_guard<std::mutex> guard(all.lock);
    for (auto &slot : all.ranges) {
      if (slot == nullptr) {
        slot = range;
        this_thread = range;
        all.count += 1;
        return;
      }
    }
    delete range;
  } catch (...) {
    // Only slower.
  }
}

void end_reuse() noexcept {
  depth -= 1;
  if (depth > 0 || this_thread == nullptr) {
    return;
  }
  try {
    Shared &all = shared();
    const std::lock_guard<std::mutex> guard(all.lock);
    this_thread->close();
    for (std::size_t slot = 0; slot < kRanges; ++slot) {
      if (all.ranges[slot] == this_thread) {
        remove_if_done(all, slot);
        break;
      }
    }
    this_thread = nullptr;
  } catch (...) {
    this_thread = nullptr;
  }
}
} // namespace tomocut
