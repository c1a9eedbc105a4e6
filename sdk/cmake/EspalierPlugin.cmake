# espalier_add_plugin(NAME SOURCES file... [LIBRARIES target...] [BUILTIN])
# The plugin NAME.so, exporting the one symbol of the boundary and nothing else, as the target
# espalier_plugin_NAME. It goes to ESPALIER_PLUGIN_DIRECTORY, or to the build directory if that is
# not set. BUILTIN also gives the static library espalier_backend_NAME, whose entry is named
# espalier_plugin_NAME, to be linked into a program and given to Registry::add_builtin.
# Works inside Espalier's own build and, installed, from a vendor's: find_package(espalier).
function(espalier_add_plugin name)
  cmake_parse_arguments(arg "BUILTIN" "" "SOURCES;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "espalier_add_plugin(${name}): SOURCES is missing, or an argument is not "
                        "known: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT ESPALIER_PLUGIN_DIRECTORY)
    set(ESPALIER_PLUGIN_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  set(plugin espalier_plugin_${name})
  add_library(${plugin} MODULE ${arg_SOURCES})
  target_link_libraries(${plugin} PRIVATE espalier::sdk ${arg_LIBRARIES})
  set_target_properties(${plugin} PROPERTIES
    PREFIX "" SUFFIX ".so" OUTPUT_NAME ${name}
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY "${ESPALIER_PLUGIN_DIRECTORY}"
    LINK_DEPENDS ${exports})
  target_link_options(${plugin} PRIVATE
    -Wl,--version-script=${exports} -Wl,-z,now)
  if(arg_BUILTIN)
    set(backend espalier_backend_${name})
    add_library(${backend} STATIC ${arg_SOURCES})
    target_link_libraries(${backend} PUBLIC espalier::sdk PRIVATE ${arg_LIBRARIES})
    target_include_directories(${backend} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${backend} PRIVATE ESPALIER_PLUGIN_NAME=espalier_plugin_${name})
  endif()
endfunction()
