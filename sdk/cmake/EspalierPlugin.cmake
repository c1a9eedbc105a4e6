# espalier_add_plugin(NAME SOURCES file... [LIBRARIES target...] [BUILTIN])
# The plugin NAME.so, exporting the one symbol of the boundary. Goes to ESPALIER_PLUGIN_DIRECTORY.
# BUILTIN also gives the static library espalier_backend_NAME, whose entry is named
# espalier_plugin_NAME, to be linked into a program and given to Registry::add_builtin.
function(espalier_add_plugin name)
  cmake_parse_arguments(arg "BUILTIN" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(espalier_plugin_${name} MODULE ${arg_SOURCES})
  target_link_libraries(espalier_plugin_${name} PRIVATE espalier::sdk ${arg_LIBRARIES})
  set_target_properties(espalier_plugin_${name} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name}
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY "${ESPALIER_PLUGIN_DIRECTORY}")
  target_link_options(espalier_plugin_${name} PRIVATE -Wl,--exclude-libs,ALL -Wl,-z,now)
  if(arg_BUILTIN)
    add_library(espalier_backend_${name} STATIC ${arg_SOURCES})
    target_link_libraries(espalier_backend_${name} PUBLIC espalier::sdk
      PRIVATE ${arg_LIBRARIES})
    target_include_directories(espalier_backend_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(espalier_backend_${name} PRIVATE
      ESPALIER_PLUGIN_NAME=espalier_plugin_${name})
  endif()
endfunction()
