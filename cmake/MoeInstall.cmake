# cmake --install: the programs, the library with its headers, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS ${MOE_PROGRAMS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS moe ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
# The chain's folders keep their names below include/moe, for that is how headers include each other.
foreach(folder IN ITEMS kernels engine models eval)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/moe
    FILES_MATCHING PATTERN "*.h")
endforeach()

if(BUILD_SHARED_LIBS)
  set(MOE_LIBRARY_FILE "${CMAKE_SHARED_LIBRARY_PREFIX}moe${CMAKE_SHARED_LIBRARY_SUFFIX}")
else()
  set(MOE_LIBRARY_FILE "${CMAKE_STATIC_LIBRARY_PREFIX}moe${CMAKE_STATIC_LIBRARY_SUFFIX}")
endif()
set(MOE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/moe)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/moeConfig.cmake.in" moeConfig.cmake
  INSTALL_DESTINATION ${MOE_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(moeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/moeConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/moeConfigVersion.cmake"
  DESTINATION ${MOE_CMAKE_DIR})

configure_file("${PROJECT_SOURCE_DIR}/cmake/moe.pc.in" moe.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/moe.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
