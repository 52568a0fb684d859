// ATen calls that tch lacks, for the cxx bridge in aten.rs. Nothing here throws.
#pragma once
#include <cstdint>

namespace tomocut {
/// Index of the current accelerator device of this thread, or -1 where there is none.
int32_t accelerator_device() noexcept;
/// Makes `index` the current accelerator device of this thread; does nothing where there is none.
void set_accelerator_device(int32_t index) noexcept;
/// Switches this thread's autocast to bfloat16 on, of CUDA or of the CPU; answers the state before.
int32_t begin_autocast(bool cuda) noexcept;
/// Puts the state back that `begin_autocast` answered.
void end_autocast(bool cuda, int32_t before) noexcept;
} // namespace tomocut
