# The rules of the tree, and the installed library as its users meet it.
find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME tree.rules COMMAND ${PYTHON3} "${PROJECT_SOURCE_DIR}/scripts/check_tree.py")
endif()
if(NOT MOE_SANITIZE)
  add_test(NAME packaging.consumer COMMAND bash "${PROJECT_SOURCE_DIR}/tests/packaging/run.sh" "${CMAKE_BINARY_DIR}"
    "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests/golden/models/llama-f32")
endif()
