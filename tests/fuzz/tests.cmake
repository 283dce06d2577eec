# Every fuzz target's corpus as an ordinary test.
if(NOT MOE_BUILD_FUZZERS)
  include("${CMAKE_CURRENT_LIST_DIR}/targets.cmake")
  moe_add_fuzz_targets()
endif()
