# How every folder is built: warnings, one target a folder, one test program a folder.

add_library(espalier_build_flags INTERFACE)
target_compile_options(espalier_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fstack-protector-strong
  -fno-semantic-interposition)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_definitions(espalier_build_flags INTERFACE _FORTIFY_SOURCE=2)
endif()

# espalier_folder(NAME [DEPENDS folder...] [LIBRARIES target...])
# The folder src/NAME as the static library espalier_NAME. It links what it depends on and nothing
# else, so that an include against the direction of dependencies does not link.
function(espalier_folder name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/${name}/*.cpp)
  if(NOT sources)
    add_library(espalier_${name} INTERFACE)
    list(TRANSFORM arg_DEPENDS PREPEND espalier_)
    target_link_libraries(espalier_${name} INTERFACE ${arg_DEPENDS})
    return()
  endif()
  add_library(espalier_${name} STATIC ${sources})
  target_include_directories(espalier_${name} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/src>)
  foreach(folder IN LISTS arg_DEPENDS)
    target_link_libraries(espalier_${name} PUBLIC espalier_${folder})
  endforeach()
  target_link_libraries(espalier_${name} PUBLIC espalier_sdk
    PRIVATE espalier_build_flags ${arg_LIBRARIES})
endfunction()

# espalier_test(NAME [LIBRARIES target...] [LABEL label])
# The programs tests/unit/NAME/*_test.cpp as one GoogleTest program, each test its own ctest entry
# with the label "unit", the other one if given, and those of the laws that it belongs to.
function(espalier_test name)
  cmake_parse_arguments(arg "" "LABEL" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(unit_${name} ${sources})
  target_link_libraries(unit_${name} PRIVATE espalier_build_flags ${arg_LIBRARIES}
    GTest::gmock GTest::gtest GTest::gtest_main)
  # The code of tests need not be fast, but is compiled often.
  target_compile_options(unit_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_include_directories(unit_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests
    ${PROJECT_BINARY_DIR}/tests)
  gtest_discover_tests(unit_${name} TEST_PREFIX "${name}." PROPERTIES LABELS unit TIMEOUT 300
    DISCOVERY_TIMEOUT 60)
  # gtest_discover_tests() cannot pass a list of labels on, and only ctest knows the names.
  set(labels ${CMAKE_CURRENT_BINARY_DIR}/unit_${name}_labels.cmake)
  file(WRITE ${labels} "include(${PROJECT_SOURCE_DIR}/cmake/EspalierLaws.cmake)\n"
    "foreach(test IN LISTS unit_${name}_TESTS)\n"
    "  espalier_laws_of(\"\${test}\" laws)\n"
    "  set_tests_properties(\"\${test}\" PROPERTIES LABELS \"unit;${arg_LABEL};\${laws}\")\n"
    "endforeach()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels})
endfunction()
