// Marks the code between MOE_TARGET_BEGIN(flags) and MOE_TARGET_END as compiled for an instruction set.
//
// The rest of the build stays generic x86-64: an instruction set is marked in the source, never by flags for
// a file, so that no inline function of a shared header is compiled for more than every machine has.
// Everything a file needs from shared headers is therefore included before the region begins; the *-inl.h
// files of this folder are included inside it and include only each other.
//
// MOE_SIMD names the namespace of a region. MOE_AVX512 says that its vectors are of 512 bits, MOE_DPBUSD and
// MOE_BF16_DOT that it has those instructions, MOE_AMX that it has tiles.
#pragma once

#define MOE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define MOE_TARGET_BEGIN(flags) \
  MOE_PRAGMA(clang attribute push(__attribute__((target(flags))), apply_to = function))
#define MOE_TARGET_END MOE_PRAGMA(clang attribute pop)
#define MOE_UNROLL MOE_PRAGMA(clang loop unroll(full))
#else
#define MOE_TARGET_BEGIN(flags) MOE_PRAGMA(GCC push_options) MOE_PRAGMA(GCC target(flags))
#define MOE_TARGET_END MOE_PRAGMA(GCC pop_options)
#define MOE_UNROLL MOE_PRAGMA(GCC unroll 16)
#endif

// Passes a 512-bit register through an empty asm: the compiler may not reorder around it.
#define MOE_KEEP_ZMM(v) __asm__("" : "+v"(v))
