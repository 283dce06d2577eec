# Every dependency is a Debian package; docs/dependencies.md says why each is there.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
# OpenBLAS's runtime; our own sources use none, so Clang (fuzzing) may do without libomp.
find_package(OpenMP COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

# OpenBLAS in its OpenMP build: Debian keeps the flavours in folders of their own.
find_path(OPENBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES x86_64-linux-gnu/openblas-openmp openblas-openmp openblas)
find_library(OPENBLAS_LIBRARY openblas PATH_SUFFIXES x86_64-linux-gnu/openblas-openmp openblas-openmp)
if(NOT OPENBLAS_INCLUDE_DIR OR NOT OPENBLAS_LIBRARY)
  message(FATAL_ERROR "OpenBLAS (OpenMP build) not found; on Debian: apt-get install libopenblas-openmp-dev")
endif()

add_library(moe_dependencies INTERFACE)
target_link_libraries(moe_dependencies INTERFACE
  Threads::Threads ZLIB::ZLIB nlohmann_json::nlohmann_json fmt::fmt PkgConfig::PCRE2 PkgConfig::UTF8PROC
  $<TARGET_NAME_IF_EXISTS:OpenMP::OpenMP_CXX> "${OPENBLAS_LIBRARY}")
target_include_directories(moe_dependencies SYSTEM INTERFACE
  $<BUILD_INTERFACE:${OPENBLAS_INCLUDE_DIR}> $<BUILD_INTERFACE:${Boost_INCLUDE_DIRS}>)
