# Compile options shared by every target of the project.
add_library(moe_compile_options INTERFACE)

# -ffp-contract=off: a fused multiply-add appears only where the source asks for one, so that the order of
# rounding is part of the code and every instruction set gives the same bits.
target_compile_options(moe_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>
  $<$<BOOL:${MOE_WERROR}>:-Werror>
  # g++ 12 warns of its own std::string (GCC bug 105651).
  $<$<AND:$<BOOL:${MOE_WERROR}>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>
  $<$<BOOL:${MOE_NATIVE}>:-march=native>)
target_compile_features(moe_compile_options INTERFACE cxx_std_20)

if(MOE_SANITIZE)
  # Not part of "undefined", though it is: a float that no integer of the type can hold.
  if(MOE_SANITIZE MATCHES undefined)
    string(APPEND MOE_SANITIZE ",float-cast-overflow")
  endif()
  add_compile_options(-fsanitize=${MOE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MOE_SANITIZE})
endif()

if(MOE_BUILD_FUZZERS)
  # Coverage of everything that a fuzz target reaches; the targets themselves add libFuzzer's main().
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# moe_folder(kernels): one object library named moe_<folder> of every source under the folder.
function(moe_folder name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(moe_${name} OBJECT ${sources})
  target_include_directories(moe_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(moe_${name} PRIVATE moe_compile_options PUBLIC moe_dependencies)
endfunction()
