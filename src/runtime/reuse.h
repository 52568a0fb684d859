// Memory of a network's pass, kept for its next layer. For the cxx bridge in aten.rs; nothing here throws.
#pragma once

namespace tomocut {
/// Large tensors of this thread take memory that earlier ones gave back, until `end_reuse`. Nests.
void begin_reuse() noexcept;
/// Gives the memory back to the system, where it ends the outermost.
void end_reuse() noexcept;
} // namespace tomocut
