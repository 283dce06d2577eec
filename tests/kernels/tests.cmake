# The AVX-512 sources over SIMDe, for processors without AVX-512: no -mavx512 flag here.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/simde/*.cpp")
  add_library(moe_simde_kernels OBJECT ${sources})
  target_link_libraries(moe_simde_kernels PRIVATE moe_compile_options moe)
  target_compile_options(moe_simde_kernels PRIVATE -O1 -mavx2 -mfma -mf16c -mno-avx512f)
  target_link_libraries(test_kernels PRIVATE moe_simde_kernels)
endif()
