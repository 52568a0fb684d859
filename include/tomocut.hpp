/* SPDX-License-Identifier: MIT */
/**
 * @file tomocut.hpp
 * tomocut for C++17 hosts, header only, over tomocut.h: handles that free themselves, views of the host's own memory,
 * exceptions, and callbacks that may throw.
 *
 *     tomocut::Engine engine;
 *     tomocut::Model model(engine);
 *     tomocut::Tomogram tomogram(engine, "my.mrc");
 *     tomocut::Slab slab(engine, model, tomogram, {40, 60});
 *     tomocut::Volume<std::uint8_t> labels = slab.labels();
 *
 * Conventions. Every class owns one handle of the C library; it moves and does not copy, and get() lends the handle to
 * C calls. What tomocut.h says of a call (ranges, threads, files) holds for the function that makes it. A failure
 * throws tomocut::Error, a cancelled call tomocut::Cancelled; what was there before is then as it was. Option classes
 * are the C structs with their defaults filled in, so that every member of the C struct is set by its own name; strings
 * among them (const char *) must live until the call returns. A progress or log callback may throw: the exception is
 * kept, the call cancelled where it can be, and the exception thrown on by the function that the host called.
 */
#ifndef TOMOCUT_HPP
#define TOMOCUT_HPP

#include "tomocut/attention.hpp"
#include "tomocut/call.hpp"
#include "tomocut/dataset.hpp"
#include "tomocut/denoise.hpp"
#include "tomocut/engine.hpp"
#include "tomocut/error.hpp"
#include "tomocut/model.hpp"
#include "tomocut/ncut.hpp"
#include "tomocut/phantom.hpp"
#include "tomocut/picks.hpp"
#include "tomocut/predictor.hpp"
#include "tomocut/report.hpp"
#include "tomocut/settings.hpp"
#include "tomocut/slab.hpp"
#include "tomocut/tomogram.hpp"
#include "tomocut/trainer.hpp"
#include "tomocut/volume.hpp"

#endif
