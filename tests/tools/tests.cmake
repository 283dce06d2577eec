# Tests of what the programs share link the programs' common library.
foreach(name IN ITEMS test_tools_common)
  if(TARGET ${name})
    target_link_libraries(${name} PRIVATE moe_tools_common)
  endif()
endforeach()
# Tests that run a program need it built.
if(TARGET test_tools_moe_convert)
  add_dependencies(test_tools_moe_convert moe-convert)
endif()
if(TARGET test_tools_moe_eval_grade)
  add_dependencies(test_tools_moe_eval_grade moe-eval)
endif()
